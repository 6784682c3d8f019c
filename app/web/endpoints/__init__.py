"""One file an endpoint: it reads the request, calls one use case, and answers."""
