"""What all pages of the operator have in common: templates, one inlined style, how numbers and
times read, and the policy of the page.

For people who run the service, like the API's document, and so in English alone. No script: every
page works in any browser, and the policy lets none run. Nothing is loaded but our own icon.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from app.core.model import Source
from app.core.times import readable
from app.http.answers import Answer, answer

HOME = "/operator"
SIGN_IN = f"{HOME}/sign-in"
SIGN_OUT = f"{HOME}/sign-out"

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class OperatorRenderer:
    """Renders the templates beside this module."""

    def __init__(self) -> None:
        style = (
            resources.files("app.admin.operator")
            .joinpath("operator.css")
            .read_text(encoding="utf-8")
        )
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
        self._policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self';"
            " base-uri 'none'; frame-ancestors 'none'"
        )
        self._templates = Environment(
            loader=PackageLoader("app.admin", "operator"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["style"] = Markup(style)  # noqa: S704 - our own file
        self._templates.globals["home"] = HOME
        self._templates.filters |= {
            "number": number,
            "age": age,
            "moment": moment,
            "day": day,
            "share": share,
            "way": way,
        }

    def page(
        self, template: str, values: Mapping[str, object], *, status: int = 200, **fields: str
    ) -> Answer:
        """Return the page that these values make of the template."""
        html = self._templates.get_template(f"{template}.html").render(values)
        return answer(status, "text/html; charset=utf-8", html.encode(), csp=self._policy, **fields)


def redirect(path: str) -> Answer:
    """Return the way to another page of ours, to be fetched by GET (RFC 9110 15.4.4)."""
    return answer(303, "text/plain; charset=utf-8", b"", Location=path)


def number(count: int) -> str:
    """Return a count as people read it."""
    return f"{count:,}"


def way(source: Source) -> str:
    """Return a source in words; unlike the names of events, which one way shares with another, each
    has its own.
    """
    return "API" if source is Source.API else source.label.replace("_", " ").capitalize()


def share(part: float | None) -> str:
    """Return a share in per cent, to a hundredth of one; a dash where it cannot be told."""
    return "–" if part is None else f"{100 * part:.2f} %"


def age(milliseconds: float) -> str:
    """Return a length of time in its two largest units."""
    seconds = int(milliseconds // 1000)
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def moment(at_ms: int) -> str:
    """Return a time in UTC, to the second; a dash for none."""
    return readable(at_ms, none="–").removesuffix("Z")


def day(number_of_day: int) -> str:
    """Return a day, counted from 1970-01-01."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=number_of_day)).strftime("%Y-%m-%d")
