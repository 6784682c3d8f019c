"""Ports of loopback for whatever a test or a benchmark starts."""

import random
import socket

# below those that the system gives to outgoing connections, which could take one before it is bound
_LEAST, _MOST = 16_384, 32_767
_chance = random.SystemRandom()


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    while True:
        port = _chance.randint(_LEAST, _MOST)
        try:
            with socket.create_server(("127.0.0.1", port)):
                return port
        except OSError:  # taken
            continue
