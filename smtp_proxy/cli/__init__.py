"""The commands of `signoff-smtp`."""
