"""The circuit breaker of one endpoint: when several requests in a row have failed, the endpoint is
left alone for a while.

Open, it lets nothing through; when its pause is over, one request is let through and decides.
Pauses double up to a longest one. It only spares a dead endpoint and ourselves the trouble: what it
holds back has not been attempted and does not count as such.
"""

FAILURES = 5
FIRST_PAUSE_MS = 10_000
LONGEST_PAUSE_MS = 300_000


class Breaker:
    """Counts failures in a row; times in milliseconds."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        first_pause_ms: int = FIRST_PAUSE_MS,
        longest_pause_ms: int = LONGEST_PAUSE_MS,
    ) -> None:
        self._threshold = failures
        self._first_pause_ms = first_pause_ms
        self._longest_pause_ms = longest_pause_ms
        self._in_a_row = 0
        self._pause_ms = 0
        self.open_until_ms = 0

    def is_open(self, now_ms: int) -> bool:
        """Tell whether nothing may be sent now."""
        # farther ahead it only is since the clock was set back
        return 0 < self.open_until_ms - now_ms <= self._pause_ms

    @property
    def is_probing(self) -> bool:
        """Tell whether only one request at a time may be sent, for the last ones have all
        failed.
        """
        return self._in_a_row >= self._threshold

    def succeeded(self) -> None:
        """Close: the endpoint answers."""
        self._in_a_row = self._pause_ms = self.open_until_ms = 0

    def failed(self, now_ms: int) -> None:
        """Count a failure, and open when there are too many in a row."""
        self._in_a_row += 1
        if self.is_probing and not self.is_open(now_ms):
            self._pause_ms = min(
                max(self._first_pause_ms, 2 * self._pause_ms), self._longest_pause_ms
            )
            self.open_until_ms = now_ms + self._pause_ms
