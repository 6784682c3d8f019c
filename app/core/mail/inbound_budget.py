"""How much work one mail to the inbox may cause: octets of text, candidates for a token, and time.

A mail is written by anybody, and may be made of nothing but what looks like a token or an address.
So each is counted before it costs anything, and the reading ends where one of the three bounds is
reached; what that means for the mail is the caller's affair.
"""

from collections.abc import Callable

MOST_OCTETS = 8 * 1024 * 1024  # of decoded text: the mail itself, and what it quotes and attaches
# beginnings of tokens, tokens, addresses, attached mails: some twenty milliseconds
MOST_CANDIDATES = 2000
MOST_SECONDS = 1.0


class ReadingBudget:
    """The budget of one mail, over all its parts and all mailboxes that it was written to. `clock`
    gives seconds that only grow.
    """

    __slots__ = ("_clock", "_end", "_octets", "candidates", "spent")

    def __init__(self, clock: Callable[[], float], *, seconds: float = MOST_SECONDS) -> None:
        self._clock = clock
        self._end = clock() + seconds
        self._octets = MOST_OCTETS
        self.candidates = MOST_CANDIDATES
        self.spent = ""  # which bound was reached; empty: none

    def candidate(self) -> bool:
        """Count one candidate, and say whether it may be looked at."""
        if not self.candidates:
            self.spent = self.spent or "too_many_tokens"
        elif self._clock() > self._end:
            self.spent = self.spent or "too_slow"
        else:
            self.candidates -= 1
        return not self.spent

    def text(self, octets: int) -> bool:
        """Count the octets of a text, and say whether it may be read."""
        self._octets -= octets
        if self._octets < 0:
            self.spent = self.spent or "too_long"
        return self.candidate()
