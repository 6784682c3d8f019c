"""The worker: changes become events, and events reach the brands' endpoints."""
