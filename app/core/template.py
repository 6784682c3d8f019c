"""A brand's Jinja templates: what they may hold, and what they give for one recipient. Serves
catalogue L4.

1. Text, and `{{UserAttribute['Name']|default('else')}}` in it; beside `default` (or `d`) the
   filters `lower`, `upper`, `trim` and `urlencode`. Every attribute has its default, so that no
   recipient goes without a link.
2. That is checked on the parsed template before anything is compiled. What passes has no loop, no
   call, no arithmetic and no attribute access, so time and memory are bounded by the length of
   template and values: `{{'x'*10**9}}` is never computed.
3. What passes is rendered in Jinja's immutable sandbox all the same.

Which attributes exist is the business of the caller; the values are plain text.
"""

import urllib.parse
from collections.abc import Callable, Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, TemplateSyntaxError, nodes
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

from app.core.errors import RuleViolation

EMAIL = "Email (Standard)"
"""The attribute that every recipient has."""

MAX_TEMPLATE_CHARS = 1000

_SUBJECT = "UserAttribute"
_DEFAULT = frozenset(("default", "d"))
_PLAIN_FILTERS = frozenset(("lower", "upper", "trim", "urlencode"))
_MAX_FILTERS = 10


class Template:
    """A checked template. `encode` is applied to what each expression gives, never to the text
    around it.

    `parts` are its pieces in order, None for each expression; `attributes` the names that its
    expressions ask for.
    """

    def __init__(self, source: str, *, encode: Callable[[str], str] | None = None) -> None:
        """Raise RuleViolation for a template that holds more than it may, with a sentence for
        whoever wrote it.
        """
        self.parts = _checked(source)
        self.attributes = _attributes(source)
        self._template = _environment(encode).from_string(source)

    def render(self, attributes: Mapping[str, str]) -> str:
        """Return the text for these attributes."""
        return self._template.render({_SUBJECT: _Attributes(attributes)})


@lru_cache(maxsize=1024)
def identifier_template(source: str) -> Template | None:
    """Return the template of a user identifier, whose values stay as they are; None for an empty
    one. Raises RuleViolation.
    """
    return Template(source) if source else None


def percent_encoded(value: str) -> str:
    """Return a value as it may stand anywhere in a URL: everything but the unreserved characters of
    RFC 3986 2.3 percent-encoded.
    """
    return (
        value
        if isinstance(value, _Encoded)
        else urllib.parse.quote(value, safe="", errors="replace")
    )


class _Encoded(str):
    """A value that the template itself has percent-encoded, and that must not be encoded twice."""

    __slots__ = ()


class _Attributes:
    """What a template sees of the attributes: their values by name, and nothing of the mapping that
    holds them.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]


@lru_cache(maxsize=4)
def _environment(encode: Callable[[str], str] | None) -> ImmutableSandboxedEnvironment:
    # No HTML is made here: `encode` is the escape that a URL needs.
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, finalize=encode, keep_trailing_newline=True, cache_size=0
    )
    environment.filters = {name: FILTERS[name] for name in (*_DEFAULT, *_PLAIN_FILTERS)} | {
        "urlencode": _urlencode
    }
    environment.globals = {}
    environment.tests = {}
    return environment


def _urlencode(value: str) -> str:
    return _Encoded(percent_encoded(value))


def _checked(source: str) -> tuple[str | None, ...]:
    """Return the pieces of a template in order: its text, and None for each expression."""
    if len(source) > MAX_TEMPLATE_CHARS:
        raise RuleViolation(f"a template has at most {MAX_TEMPLATE_CHARS} characters")
    try:
        body = _environment(None).parse(source).body
    except (TemplateSyntaxError, RecursionError) as exc:
        raise RuleViolation(f"not a template: {exc}") from exc
    pieces: list[str | None] = []
    for node in body:
        if not isinstance(node, nodes.Output):
            raise RuleViolation(
                "a template holds no {% … %}, only {{UserAttribute['…']|default('…')}}"
            )
        for child in node.nodes:
            if isinstance(child, nodes.TemplateData):
                pieces.append(child.data)
            else:
                _check(child)
                pieces.append(None)
    return tuple(pieces)


def _attributes(source: str) -> frozenset[str]:
    """Return the names of the attributes that a checked template asks for."""
    items = _environment(None).parse(source).find_all(nodes.Getitem)
    return frozenset(
        item.arg.value
        for item in items
        if isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str)
    )


def _check(node: nodes.Node, *, filters: int = 0) -> None:
    """Raise RuleViolation for an expression that is not built of what a template may hold."""
    if filters > _MAX_FILTERS:
        raise RuleViolation(f"an expression has more than {_MAX_FILTERS} filters")
    match node:
        case nodes.Const(value=str()):
            pass
        case nodes.Filter(
            name=name,
            node=nodes.Node() as inner,
            args=[],
            kwargs=[],
            dyn_args=None,
            dyn_kwargs=None,
        ) if name in _PLAIN_FILTERS:
            _check(inner, filters=filters + 1)
        case nodes.Filter(
            name=name,
            node=nodes.Node() as inner,
            args=[fallback, *flags],
            kwargs=[],
            dyn_args=None,
            dyn_kwargs=None,
        ) if (
            name in _DEFAULT
            and len(flags) <= 1
            and all(isinstance(flag, nodes.Const) for flag in flags)
        ):
            _check(fallback, filters=filters + 1)
            if not _is_attribute(inner):
                _check(inner, filters=filters + 1)
        case _ if _is_attribute(node):
            raise RuleViolation(
                "an attribute has no default; write {{UserAttribute['…']|default('…')}}"
            )
        case _:
            raise RuleViolation(
                "an expression is other than {{UserAttribute['…']|default('…')}} with the filters"
                " lower, upper, trim, urlencode"
            )


def _is_attribute(node: nodes.Node) -> bool:
    match node:
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str())):
            return name == _SUBJECT
    return False
