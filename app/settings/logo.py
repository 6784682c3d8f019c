"""A brand's logo, read and checked at start: a small PNG, WebP or SVG that can do nothing but be
seen.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from app.core.model import Logo

MAX_LOGO_BYTES = 20 * 1024

_HINT = "; a PNG, WebP or SVG file of at most 20 KB is needed"
_ACTIVE = frozenset(
    (
        "animate",
        "animatemotion",
        "embed",
        "foreignobject",
        "handler",
        "iframe",
        "listener",
        "object",
        "script",
        "set",
    )
)
_REMOTE = re.compile(r"(?i)@import|url\s*\(\s*(?!['\"]?#)|expression|javascript:|\\")


def read_logo(path: Path) -> Logo:
    """Return the logo in a file. Raises ValueError with what is wrong with it."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise ValueError(f"{path} cannot be read: {exc.strerror}") from exc
    if not content or len(content) > MAX_LOGO_BYTES:
        raise ValueError(f"{path} has {len(content)} bytes{_HINT}")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return Logo(media_type="image/png", content=content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return Logo(media_type="image/webp", content=content)
    _check_svg(path, content)
    return Logo(media_type="image/svg+xml", content=content)


def _check_svg(path: Path, content: bytes) -> None:
    """Refuse what an SVG can do beyond being an image: scripts, other documents, requests."""
    # no document type, so no entity: nothing that could expand or load
    if b"<!" in content.replace(b"<!--", b""):
        raise ValueError(
            f"{path} has a document type or a CDATA section, which a logo needs not; remove it"
        )
    try:
        root = ET.fromstring(content)  # noqa: S314 - the operator's own file, small, and without a document type
    except ET.ParseError as exc:
        raise ValueError(f"{path} is no image that pages can show{_HINT}") from exc
    if _local(root.tag) != "svg":
        raise ValueError(f"{path} is no image that pages can show{_HINT}")
    for element in root.iter():
        reason = _active(element)
        if reason:
            raise ValueError(f"{path}: an SVG with {reason} is refused; save it as a plain image")


def _active(element: ET.Element) -> str:
    name = _local(element.tag)
    if name in _ACTIVE:
        return f"<{name}>"
    if name == "style" and _REMOTE.search("".join(element.itertext())):
        return "a style that loads something"
    for attribute, value in element.attrib.items():
        plain = _local(attribute)
        if plain.startswith("on"):
            return plain
        if plain in {"href", "src"} and not value.strip().startswith(
            ("#", "data:image/png", "data:image/jpeg", "data:image/webp")
        ):
            return f"a link to {value[:40]!r}"
        if plain not in {"href", "src"} and _REMOTE.search(value):
            return f"an attribute {plain} that loads something"
    return ""


def _local(name: object) -> str:
    """Return a name without its namespace, in lower case; comments and processing instructions have
    none.
    """
    return name.rpartition("}")[2].lower() if isinstance(name, str) else ""
