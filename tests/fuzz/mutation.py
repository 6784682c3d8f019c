"""Inputs that are nearly right: a sample with pieces cut out, doubled, swapped, and with words of
its language put in.
"""

from collections.abc import Sequence

from hypothesis import strategies as st

_MOST_CHANGES = 6
_MOST_OCTETS = 60_000


@st.composite
def mutated(draw: st.DrawFn, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Draw octets: one of the samples after some changes, or anything at all."""
    octets = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(0, _MOST_CHANGES))):
        start = draw(st.integers(0, len(octets)))
        end = min(len(octets), start + draw(st.integers(0, 40)))
        piece = draw(
            st.one_of(
                st.sampled_from(words),
                st.binary(max_size=8),
                st.sampled_from(samples),
                st.just(octets[start:end] * 2),
            )
        )
        octets = (octets[:start] + piece + octets[end:])[:_MOST_OCTETS]
    return octets
