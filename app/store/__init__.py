"""The Redis and Valkey adapter of the ports, its in-memory twin, and the local spool."""
