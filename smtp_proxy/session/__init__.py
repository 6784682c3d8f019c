"""The SMTP and LMTP sessions: what a client says, and what it is told."""
