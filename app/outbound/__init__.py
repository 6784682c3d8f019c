"""What we ask of the outside: webhook receivers, DNS, probed endpoints. Every connection is guarded against addresses inside."""
