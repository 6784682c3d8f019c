"""A brand's colour on our pages, moved as little as needed to stay readable: WCAG 2.2 AA on the
light page and on the dark one.

The colour is used as ground of the button, as text (links, the initial), and as ring of the focus,
so it must stand out from the card.
"""

from collections.abc import Callable
from dataclasses import dataclass

READABLE = 4.5  # WCAG 2.2 1.4.3; more than the 3 that 1.4.11 asks of a control
_STEPS = 50
_LIGHT_GROUNDS = ("#ffffff", "#f3f4f7")  # the card and the page of page.css, and a badge below
_DARK_GROUNDS = ("#1b1e27", "#12141a")
_TINT = 0.1  # of the colour in the ground of the initial

_Rgb = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accent:
    """The colours of one scheme: of what can be pressed, the same under the pointer, the text on
    it, and the ground of the initial.
    """

    act: str
    hover: str
    on_act: str
    badge: str


def accents(colour: str) -> tuple[Accent, Accent]:
    """Return the accents of a brand's `#rrggbb` for the light and for the dark scheme."""
    return _accent(colour, _LIGHT_GROUNDS, toward="#000000"), _accent(
        colour, _DARK_GROUNDS, toward="#ffffff"
    )


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _accent(colour: str, grounds: tuple[str, ...], *, toward: str) -> Accent:
    def readable(candidate: str) -> bool:
        around = (*grounds, _mixed(grounds[0], candidate, _TINT))
        return (
            all(contrast(candidate, ground) >= READABLE for ground in around)
            and contrast(candidate, _on(candidate)) >= READABLE
        )

    act = _first(colour, toward, readable)
    on_act = _on(act)
    hover = _first(
        _mixed(act, toward, 0.15), toward, lambda candidate: contrast(candidate, on_act) >= READABLE
    )
    return Accent(act=act, hover=hover, on_act=on_act, badge=_mixed(grounds[0], act, _TINT))


def _on(ground: str) -> str:
    return max(("#ffffff", "#0e1222"), key=lambda text: contrast(ground, text))


def _first(colour: str, toward: str, fits: Callable[[str], bool]) -> str:
    """Return the first colour on the way that fits; the end of the way, black or white, always
    does.
    """
    return next(
        candidate
        for step in range(_STEPS + 1)
        if fits(candidate := _mixed(colour, toward, step / _STEPS)) or step == _STEPS
    )


def _mixed(colour: str, other: str, share: float) -> str:
    pairs = zip(_rgb(colour), _rgb(other), strict=True)
    return "#" + "".join(f"{round(255 * (one + (two - one) * share)):02x}" for one, two in pairs)


_LINEAR_BELOW = 0.04045  # of the transfer function of sRGB (IEC 61966-2-1)


def _rgb(colour: str) -> _Rgb:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = (
        part / 12.92 if part <= _LINEAR_BELOW else ((part + 0.055) / 1.055) ** 2.4
        for part in _rgb(colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
