"""A peer in another process may greet before the client has taken its first breath."""

import socket
import threading

import uvloop

from app.core.downstream import Target
from smtp_proxy.downstream.pool import Downstream

ROUNDS = 30


def _greet_and_answer(listening: socket.socket) -> None:
    for _ in range(ROUNDS):
        client, _ = listening.accept()
        with client:
            client.sendall(b"220 early.example\r\n")
            client.recv(1000)
            client.sendall(b"250 early.example\r\n")
            client.recv(1000)


async def _probe(port: int) -> None:
    for _ in range(ROUNDS):
        async with Downstream(
            Target.parse(f"smtp://127.0.0.1:{port}"), hostname="relay.example"
        ) as downstream:
            await downstream.probe()


def test_a_greeting_that_comes_with_the_connection_is_heard() -> None:
    """Catalogue C7: uvloop may deliver it before the task that connected runs again; it is not a
    reply that nobody asked for.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        peer = threading.Thread(target=_greet_and_answer, args=(listening,), daemon=True)
        peer.start()

        uvloop.run(_probe(listening.getsockname()[1]))

        peer.join(timeout=10)
        assert not peer.is_alive()
