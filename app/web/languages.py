"""The languages of the pages: gettext catalogues, and which of them a reader gets.

A message is looked up by its key (`confirm.heading`), so English is a catalogue like the others and nothing is ever half translated. Every
catalogue has every key; start-up refuses one that has not. The .po files are read as they are: no compiled files to forget.
"""

from collections.abc import Iterator, Mapping
from importlib import resources

from babel import Locale
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from app.core.errors import Misconfigured

LANGUAGES = ("en", "fr", "es", "hi")  # the first is for everyone else
_MAX_HEADER_CHARS = 1_000


class Language:
    """One catalogue. `tag` and `direction` are the page's `lang` and `dir`."""

    def __init__(self, tag: str, messages: Mapping[str, str]) -> None:
        self.tag = tag
        self.direction = "rtl" if Locale.parse(tag).character_order == "right-to-left" else "ltr"
        self._messages = messages

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys that have a text."""
        return frozenset(self._messages)

    def text(self, key: str, **values: str) -> Markup:
        """Return a message as HTML; each value is escaped unless it is Markup itself. Raises KeyError for a key that no catalogue has."""
        return Markup(escape(self._messages[key])).format(**values)  # noqa: S704 - the message is escaped here, the values by format


class Languages:
    """All catalogues."""

    def __init__(self) -> None:
        self._languages = {tag: Language(tag, _messages(tag)) for tag in LANGUAGES}
        every = frozenset().union(*(language.keys for language in self))
        missing = [f"locales/{language.tag}.po: no text for {key}" for language in self for key in sorted(every - language.keys)]
        if missing:
            raise Misconfigured(missing)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._languages.values())

    def for_reader(self, accept_language: str) -> Language:
        """Return the language that the Accept-Language field likes best (RFC 9110 12.5.4), English when there is none.

        A regional tag finds its language (fr-CA: fr); of equal weights the first named wins; `q=0` means not this one.
        """
        weights = _weights(accept_language[:_MAX_HEADER_CHARS])
        for tag in sorted(weights, key=lambda tag: -weights[tag]):
            if weights[tag] > 0 and tag in self._languages:
                return self._languages[tag]
        return self._languages[LANGUAGES[0]]


def _weights(accept_language: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept_language.split(","):
        name, _, parameters = item.partition(";")
        tag = name.strip().lower().partition("-")[0]
        weights[tag] = max(weights.get(tag, 0.0), _weight(parameters))
    return weights


def _weight(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        weight = float(value)
    except ValueError:
        return 0.0
    return weight if 0.0 <= weight <= 1.0 else 0.0


def _messages(tag: str) -> Mapping[str, str]:
    with resources.files("app.web.locales").joinpath(f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    return {str(message.id): str(message.string) for message in catalogue if message.id and message.string and not message.fuzzy}
