"""Which data centre a statement belongs to: the one that its token names, as far as we know the way
there.

A token of a data centre that the settings do not list is treated as our own. So the tokens of a
data centre that was closed go on working where they arrive, and its brands are told; and what is
only forgotten in the settings shows in the log.
"""

from collections.abc import Callable, Collection

from app.core.model import Claims
from app.observe.log import LogEvent, Logger

HERE = 0
# to which data centre a statement by these claims is to be shipped, or HERE
HomeOf = Callable[[Claims], int]


def here(_: Claims) -> int:
    """Return that nothing is to be shipped: for who knows of no other data centre."""
    return HERE


class Routing:
    """Knows the other data centres by their numbers. One for each process."""

    def __init__(self, *, own: int, listed: Collection[int], log: Logger) -> None:
        self._own = own
        self._listed = frozenset(listed) - {own}
        self._log = log
        self._named: set[int] = set()  # unlisted ones that were logged; there are at most 255

    def __call__(self, claims: Claims) -> int:
        """Return the home of what is said by these claims."""
        number = claims.data_centre
        if number in self._listed:
            return number
        if number != self._own and number not in self._named:
            self._named.add(number)
            self._log.warning(LogEvent.DATA_CENTRE_UNKNOWN, data_centre=number)
        return HERE
