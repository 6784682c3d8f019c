"""What the tests of the preference pages share: a brand with groups, links to its pages, and forms
as a browser sends them.
"""

from collections.abc import Iterable, Sequence
from html.parser import HTMLParser
from urllib.parse import urlencode

from app.core.groups import group_key
from app.core.model import GroupId, Purpose, SubscriptionGroup
from app.usecases.groups import Groups
from tests.web.running import ACME, Reply, Site

HTML = {"Accept": "text/html"}


class Form(HTMLParser):
    """The forms, links and words of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self.toggles: dict[str, bool] = {}
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "a":
            self.links.append(given["href"])
        if tag == "input" and given["type"] == "hidden":
            self.fields.append((given["name"], given["value"]))
        if tag == "input" and given["type"] == "checkbox":
            self.toggles[given["value"]] = "checked" in given

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def body(
        self, *, all_mail: bool | None = None, on: Iterable[str] = (), off: Iterable[str] = ()
    ) -> bytes:
        """Return what a browser sends after the reader has moved these toggles."""
        toggles = {
            **self.toggles,
            **{key(group): True for group in on},
            **{key(group): False for group in off},
        }
        if all_mail is not None:
            toggles["on"] = all_mail
        ticked = [
            ("all" if value == "on" else "group", value)
            for value, is_on in toggles.items()
            if is_on
        ]
        return urlencode([*self.fields, *ticked]).encode()


def key(group: str) -> str:
    """Return what a group's toggle sends."""
    return f"{group_key(GroupId(group)):08x}"


async def with_groups(site: Site, *names: str) -> Sequence[SubscriptionGroup]:
    """Create groups in this order."""
    groups = Groups(site.book, lambda: site.now_ms)
    made = []
    for name in names:
        site.now_ms += 1
        made.append(await groups.create(ACME, name=name, description=f"About {name}"))
    return made


def link(
    site: Site,
    path: str,
    address: str = "bob@example.com",
    *,
    groups: tuple[str, ...] = (),
    test: bool = False,
) -> str:
    """Return the address of a preference page as it stands in a mail."""
    return f"{path}?e={site.token(address, purpose=Purpose.PREFERENCES, groups=groups, test=test)}"


async def opened(site: Site, target: str, **fields: str) -> Form:
    """Return the page behind a link."""
    reply = await site.ask(
        "GET",
        target,
        fields={**HTML, **{name.replace("_", "-"): value for name, value in fields.items()}},
    )
    assert 200 == reply.status, reply.text
    return Form(reply.text)


async def pressed(site: Site, target: str, body: bytes, **fields: str) -> Reply:
    """Return the answer to a form, sent a second later."""
    site.now_ms += 1000
    return await site.click(
        target, body, **{"Sec_Fetch_Site": "same-origin", "Origin": "null", **fields}
    )


async def off(site: Site, address: str = "bob@example.com") -> set[str]:
    """Return what the recipient has left: `all`, and the keys of groups."""
    state = await site.state(address)
    left = {f"{group:08x}" for group, one in state.groups.items() if not one.subscribed}
    return left if state.everything.subscribed else left | {"all"}
