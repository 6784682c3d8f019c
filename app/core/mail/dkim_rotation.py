"""Which keys of a domain sign: of each kind the first in the order of the configuration. The others
wait for their turn, or retire.

So a key is rotated by moving a line: the new key stands below the old one until its record is in
the DNS, then above it, and the old one goes once nobody verifies by it any more.
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class ConfiguredKey(Protocol):
    """What the choice needs to know of a key."""

    @property
    def selector(self) -> str:
        """Return the value of `s=`."""
        ...

    @property
    def algorithm(self) -> str:
        """Return the value of `a=`: `rsa-sha256` or `ed25519-sha256`."""
        ...

    @property
    def body_form(self) -> str:
        """Return the canonical form of bodies, the second half of `c=`."""
        ...


K = TypeVar("K", bound=ConfiguredKey)


def signing_keys(keys: Sequence[K]) -> tuple[K, ...]:
    """Return the keys of one domain that sign, RSA first, which is what everybody verifies."""
    first: dict[str, K] = {}
    for key in keys:
        first.setdefault(key.algorithm, key)
    return tuple(sorted(first.values(), key=lambda key: key.algorithm, reverse=True))


def rotation_problems(domain: str, keys: Sequence[ConfiguredKey]) -> list[str]:
    """Return what keeps the keys of one domain from signing together."""
    problems: list[str] = []
    selectors = [key.selector for key in keys]
    for selector in dict.fromkeys(selectors):
        if selectors.count(selector) > 1:
            problems.append(
                f"DKIM keys of {domain}: two have the selector {selector}, and a selector has one"
                " record; rename one of them"
            )
    signing = signing_keys(keys)
    if signing and signing[0].algorithm != "rsa-sha256":
        problems.append(
            f"DKIM keys of {domain}: ed25519 signs only beside an RSA key, large receivers do not"
            " verify it alone"
        )
    if len({key.body_form for key in signing}) > 1:
        problems.append(
            f"DKIM keys of {domain}: different canonicalizations of the keys that sign; write the"
            " same for both"
        )
    return problems
