"""Names of others to IP addresses, by the system's resolver: a name whose servers never answer holds
up no other name.

The loop's own look-up has few threads (uvloop: two at a time), so two such names would stop every
webhook of every brand. Here each name has a thread of its own, and whoever asks for the same name
meanwhile waits for the same answer. The threads are daemons: none of them keeps a process from
ending.
"""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence

MOST_NAMES = 256  # that are looked up at the same time

# host and port to IP addresses; OSError when there are none
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

_Found = tuple[str, ...] | OSError


class SystemLookup:
    """Asks the system's resolver. Belongs to one event loop."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self._under_way: dict[tuple[str, int], asyncio.Future[_Found]] = {}

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses that the resolver knows, each once, in its order of preference.
        OSError when there are none, or too many names are asked for.
        """
        answer = self._under_way.get((host, port)) or self._begin(host, port)
        # who leaves must not end it for the others
        found = await asyncio.shield(answer)
        if isinstance(found, OSError):
            raise OSError(str(found)) from found
        return found

    def _begin(self, host: str, port: int) -> asyncio.Future[_Found]:
        if len(self._under_way) >= self._most:
            raise OSError("too many names are being looked up")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_Found] = loop.create_future()

        def finish(found: _Found) -> None:
            del self._under_way[host, port]
            if not answer.done():
                answer.set_result(found)

        def work() -> None:
            found = _resolved(host, port)
            try:
                loop.call_soon_threadsafe(finish, found)
            except RuntimeError:  # the loop has ended meanwhile
                return

        self._under_way[host, port] = answer
        try:
            threading.Thread(target=work, name="lookup", daemon=True).start()
        except RuntimeError as exc:  # no thread is to be had
            del self._under_way[host, port]
            raise OSError(str(exc)) from exc
        return answer


def _resolved(host: str, port: int) -> _Found:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as exc:
        return exc
    except ValueError as exc:  # a name that cannot be one, such as a label of 64 characters
        return OSError(str(exc))
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
