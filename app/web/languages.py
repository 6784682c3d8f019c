"""The languages of the pages: gettext catalogues, and which of them a reader gets.

A message is looked up by its key (`confirm.heading`), so English is a catalogue like the others and
nothing is ever half translated. Every catalogue has every key; start-up refuses one that has not.
The .po files are read as they are: no compiled files to forget.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from gettext import c2py
from importlib import resources

from babel import Locale
from babel.messages.pofile import read_po
from markupsafe import Markup, escape

from app.core.errors import Misconfigured

LANGUAGES = ("en", "fr", "es", "hi")  # the first is for everyone else
_MAX_HEADER_CHARS = 1_000


Messages = Mapping[str, tuple[str, ...]]  # by key: one text, or one for each plural form


class Language:
    """One catalogue. `tag` and `direction` are the page's `lang` and `dir`; `plural` is its rule:
    which form a number takes.
    """

    def __init__(self, tag: str, messages: Messages, plural: Callable[[int], int]) -> None:
        self.tag = tag
        self.direction = "rtl" if Locale.parse(tag).character_order == "right-to-left" else "ltr"
        self._messages = messages
        self._plural = plural

    @property
    def keys(self) -> frozenset[str]:
        """Return the keys that have a text."""
        return frozenset(self._messages)

    def forms(self, key: str) -> int:
        """Return how many plural forms a message has; 1 for one that does not speak of a number."""
        return len(self._messages[key])

    def text(self, key: str, **values: str) -> Markup:
        """Return a message as HTML; each value is escaped unless it is Markup itself. Raises
        KeyError for a key that no catalogue has.
        """
        return self._filled(self._messages[key][0], values)

    def counted(self, key: str, number: int, **values: str) -> Markup:
        """Return the form of a message that goes with this number; otherwise as `text`."""
        return self._filled(self._messages[key][self._plural(number)], values)

    @staticmethod
    def _filled(message: str, values: Mapping[str, str]) -> Markup:
        return Markup(escape(message)).format(**values)  # noqa: S704 - the message is escaped here, the values by format


class Languages:
    """All catalogues."""

    def __init__(self) -> None:
        self._languages = {tag: Language(tag, *_catalogue(tag)) for tag in LANGUAGES}
        every = frozenset().union(*(language.keys for language in self))
        missing = [
            f"locales/{language.tag}.po: no text for {key}"
            for language in self
            for key in sorted(every - language.keys)
        ]
        if missing:
            raise Misconfigured(missing)

    def __iter__(self) -> Iterator[Language]:
        return iter(self._languages.values())

    def for_reader(self, accept_language: str) -> Language:
        """Return the language that the Accept-Language field likes best (RFC 9110 12.5.4), English
        when there is none.

        A regional tag finds its language (fr-CA: fr); of equal weights the first named wins; `q=0`
        means not this one; `*` stands for every language that is not named.
        """
        weights = _weights(accept_language[:_MAX_HEADER_CHARS])
        weights |= {
            tag: weights["*"] for tag in self._languages if "*" in weights and tag not in weights
        }
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


def _catalogue(tag: str) -> tuple[Messages, Callable[[int], int]]:
    """Return a catalogue's messages and its rule of plurals, as the standard library reads the
    Plural-Forms field.
    """
    with resources.files("app.web.locales").joinpath(f"{tag}.po").open("rb") as file:
        catalogue = read_po(file, locale=tag)
    messages = {
        str(_first(message.id)): _texts(message.string)
        for message in catalogue
        if message.id and not message.fuzzy
    }
    return {key: texts for key, texts in messages.items() if all(texts)}, c2py(
        catalogue.plural_expr
    )


def _first(key: str | Sequence[str]) -> str:
    """Return the key of a message; one that speaks of a number names it twice, as singular and as
    plural.
    """
    return key if isinstance(key, str) else key[0]


def _texts(text: object) -> tuple[str, ...]:
    """Return a message's forms. babel says `object` in many ways: one text, or a tuple with None
    for a form that is missing.
    """
    forms = text if isinstance(text, (tuple, list)) else (text,)
    return tuple(str(form or "") for form in forms)
