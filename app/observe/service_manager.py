"""What a service manager is told: that the process is ready, that it stops (sd_notify(3) of
systemd). Without one, nothing happens.
"""

import os
import socket

_VARIABLE = "NOTIFY_SOCKET"


def tell_ready() -> None:
    """Say that every listener is open."""
    _tell("READY=1")


def tell_reloading(monotonic_us: int) -> None:
    """Say that the configuration is being read again; `tell_ready` ends it. The time is
    CLOCK_MONOTONIC in microseconds.
    """
    _tell(f"RELOADING=1\nMONOTONIC_USEC={monotonic_us}")


def tell_stopping() -> None:
    """Say that what is under way is being finished."""
    _tell("STOPPING=1")


def _tell(state: str) -> None:
    address = os.environ.get(_VARIABLE, "")
    if not address.startswith(("/", "@")):
        return
    path = f"\0{address[1:]}" if address.startswith("@") else address  # an abstract socket
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.connect(path)
            channel.send(state.encode())
        except OSError:
            return  # a manager that does not listen is no reason not to serve
