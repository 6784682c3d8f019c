"""What the connections of a listener know of its stop, before it closes any of them."""

from hypercorn.asyncio.worker_context import WorkerContext
from hyperframe.frame import GoAwayFrame

# no new streams, and none that is on its way is refused (RFC 9113 6.8)
LAST_CALL = GoAwayFrame(0, last_stream_id=2**31 - 1).serialize()


class Context(WorkerContext):
    """What the connections of a listener share; `leaving`: it stops soon, and each answer is its
    connection's last.
    """

    leaving = False


def is_leaving(context: object) -> bool:
    """Say whether the listener with this context stops soon."""
    return isinstance(context, Context) and context.leaving
