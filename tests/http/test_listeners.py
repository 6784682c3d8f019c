"""What each listener serves, what it does not, and how errors look."""

import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message, Scope

from app.admin.application import admin
from app.core import errors
from app.core.brands import Brands
from app.core.errors import Misconfigured, SignoffError
from app.core.model import Statement
from app.http.errors import HTTP_STATUS, problem
from app.http.server import ServerSettings, public_listeners
from tests.web.running import (
    PRIMARY,
    BreakableStore,
    Site,
    codec_of,
    public_of,
)


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/livez", "/readyz", "/docs", "/openapi.json", "/v1/brands", "/v1/keys", "/admin"],
)
async def test_nothing_of_the_operator_is_public(site: Site, path: str) -> None:
    """Catalogue L11."""
    reply = await site.ask("GET", path)

    assert 404 == reply.status


@pytest.mark.parametrize(
    "path", ["/u?qmoe=x", "/v1/emailunsubscribe?qmoe=x", "/robots.txt", "/static/icon.svg"]
)
async def test_nothing_public_is_on_the_admin_listener(site: Site, path: str) -> None:
    """Catalogue L11."""
    reply = await site.ask("GET", path, listener="admin")

    assert 404 == reply.status
    assert "application/problem+json" == reply["content-type"]


async def test_readiness_names_each_check_and_changes_nothing(site: Site) -> None:
    """Catalogue L11."""
    ready = await site.ask("GET", "/readyz", listener="admin")
    site.store.down = True
    down = await site.ask("GET", "/readyz", listener="admin")
    live = await site.ask("GET", "/livez", listener="admin")
    site.store.down = False

    assert (200, 503, 200) == (ready.status, down.status, live.status)
    assert {"store": "ok"} == json.loads(ready.body)["checks"]
    assert {"store": "store_unavailable"} == json.loads(down.body)["checks"]
    assert 0 == (await site.state()).sequence


async def test_metrics_are_in_the_text_format_of_prometheus(site: Site) -> None:
    await site.click(f"/u?qmoe={site.token()}")

    reply = await site.ask("GET", "/metrics", listener="admin")

    assert reply["content-type"].startswith("text/plain")
    assert 'signoff_unsubscribes_total{result="saved",source="list_unsubscribe"}' in reply.text


async def test_the_small_files_are_there(site: Site) -> None:
    robots = await site.ask("GET", "/robots.txt")
    security = await site.ask("GET", "/.well-known/security.txt")
    icon = await site.ask("GET", "/static/icon.svg")

    assert "User-agent: *\nDisallow: /\n" == robots.text
    assert "Contact: mailto:security@example.com" in security.text
    assert "Expires: " in security.text
    assert "image/svg+xml" == icon["content-type"]


async def test_without_a_contact_there_is_no_security_txt() -> None:
    """RFC 9116 2.5.3: a file without anybody who reads the mail would be worse than none."""
    with_one, without = (_applications(contact)[0] for contact in (CONTACT, ""))

    assert 405 == (await posted(with_one, "/.well-known/security.txt", ""))[0]
    assert 404 == (await posted(without, "/.well-known/security.txt", ""))[0]


@pytest.mark.parametrize(
    "path",
    [
        "/static/page.html",
        "/static/../pages/base.html",
        "/static/%2e%2e/errors.py",
        "/static/__init__.py",
        "/index.html",
    ],
)
async def test_what_is_not_there_is_not_found(site: Site, path: str) -> None:
    plain = await site.ask("GET", path)
    browser = await site.ask("GET", path, fields={"Accept": "text/html", "Accept-Language": "fr"})

    assert (404, "text/plain; charset=utf-8") == (plain.status, plain["content-type"])
    assert (404, "text/html; charset=utf-8") == (browser.status, browser["content-type"])
    assert "Page introuvable" in browser.text


async def test_an_unexpected_error_says_nothing_of_itself(
    site: Site, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def broken(statement: Statement) -> None:
        raise ValueError("a secret detail")

    monkeypatch.setattr(site.store, "preferences", broken)
    monkeypatch.setattr("app.web.endpoints.site.text", broken)

    reply = await site.ask("GET", "/robots.txt")
    after = await site.click(f"/u?qmoe={site.token()}")

    assert 500 == reply.status
    assert "secret" not in reply.text
    assert "Traceback" not in reply.text
    assert "unexpected_error" in "".join(capfd.readouterr())
    assert 200 == after.status


async def test_the_private_fields_are_on_every_answer(site: Site) -> None:
    """Catalogue E16."""
    token = site.token()
    replies = [
        await site.click(f"/u?qmoe={token}"),
        await site.click("/u?qmoe=bad"),
        await site.ask("GET", f"/u?qmoe={token}"),
        await site.ask("GET", "/u?qmoe=bad"),
        await site.ask("PUT", "/u"),
        await site.ask("GET", "/nothing", fields={"Accept": "text/html"}),
    ]

    for reply in replies:
        assert "no-store" == reply["cache-control"]
        assert reply["x-robots-tag"].startswith("noindex")
        assert "no-referrer" == reply["referrer-policy"]
        assert "nosniff" == reply["x-content-type-options"]
        assert "DENY" == reply["x-frame-options"]
        assert "default-src 'none'" in reply["content-security-policy"]
        assert "frame-ancestors 'none'" in reply["content-security-policy"]
        assert [] == reply.all("server")


async def test_no_log_line_holds_a_token_or_an_address(
    site: Site, capfd: pytest.CaptureFixture[str]
) -> None:
    """Catalogue E16."""
    token = site.token()
    bad = token[:30] + "AAAA" + token[34:]

    await site.click(f"/u?qmoe={token}", Referer=f"https://x/?{token}")
    await site.click(f"/u?qmoe={bad}")
    await site.ask("GET", f"/u?qmoe={token}")
    captured = "".join(capfd.readouterr())

    assert "token_refused" in captured
    assert token not in captured
    assert bad not in captured
    assert "bob@example.com" not in captured


def every_error(root: type[SignoffError] = SignoffError) -> list[type[SignoffError]]:
    return [root, *(found for child in root.__subclasses__() for found in every_error(child))]


@pytest.mark.parametrize(
    "kind", [kind for kind in every_error() if kind.__module__ == errors.__name__]
)
def test_every_error_has_a_status_that_fits_and_a_document_without_its_text(
    kind: type[SignoffError],
) -> None:
    error = kind(["secret"]) if issubclass(kind, Misconfigured) else kind("secret")

    answer = problem(error)

    assert kind in HTTP_STATUS
    assert kind.temporary == (answer.status == 503)
    assert kind.temporary == any(name == b"retry-after" for name, _ in answer.headers)
    assert kind.code == json.loads(answer.body)["code"]
    assert b"secret" not in answer.body


PARTS = ["u", "v1", "emailunsubscribe", "static", "", ".", "..", "robots.txt", "%2F", "TOKEN"]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.one_of(
        st.text(
            st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?# "),
            max_size=40,
        ),
        st.lists(
            st.sampled_from(
                [
                    "u",
                    "v1",
                    "emailunsubscribe",
                    "static",
                    "",
                    ".",
                    "..",
                    "robots.txt",
                    "%2F",
                    "TOKEN",
                ]
            ),
            max_size=6,
        ).map("/".join),
    ),
    query=st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40
    ),
)
async def test_no_spelling_of_any_path_redirects_a_post(path: str, query: str) -> None:
    """Catalogue E5."""
    for app in (PUBLIC, ADMIN):
        status, fields = await posted(app, f"/{path}", query)
        assert not 300 <= status < 400
        assert not {b"location", b"set-cookie"} & {name for name, _ in fields}


async def posted(app: ASGIApp, path: str, query: str) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Post straight to an application, as the server would."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query.encode(),
        "headers": [],
        "client": None,
    }
    await app(scope, receive, send)
    return sent[0]["status"], sent[0]["headers"]


CONTACT = "mailto:security@example.com"


def _applications(contact: str = CONTACT) -> tuple[ASGIApp, ASGIApp]:
    site = Site(codec=codec_of(PRIMARY), store=BreakableStore())
    public = public_of(site, security_contact=contact)
    return public, admin(checks={}, brands=Brands([]))


PUBLIC, ADMIN = _applications()


def test_a_port_that_is_taken_is_a_problem_of_the_configuration() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(Misconfigured) as caught:
            public_listeners(PUBLIC, ServerSettings(listen=where))

    assert where in caught.value.problems[0]
