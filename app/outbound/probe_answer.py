"""What a probed server answered, whichever protocol it came by."""

from collections.abc import Mapping
from dataclasses import dataclass

MAX_ANSWER = 65536  # octets that are read of an answer


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeAnswer:
    """`fields` have lower-case names; `endless`: there was more than we read; `seconds` from the
    request to the end.
    """

    status: int
    fields: Mapping[str, str]
    endless: bool
    seconds: float
