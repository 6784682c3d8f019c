"""What an operator sees of a real mail and a real click, through every process: the relay counts
the copy, the worker the click.
"""

import asyncio
import re
import smtplib
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from tests.support.stack import Stack, running_stack
from tests.worker.running import eventually

MAIL = (
    "From: news@acme.example\r\nTo: ann@example.net\r\nSubject: Spring\r\nX-Signoff-Campaign:"
    " spring-24\r\n\r\nHello\r\n"
)


def link_of(stack: Stack) -> str:
    """Return the one-click URL of the copy that arrived."""
    (copy,) = (stack.folder / "var/mailbox/new").iterdir()
    found = re.search(r"List-Unsubscribe: <([^>]+)>", copy.read_text())
    assert found
    return found[1].partition("/u?")[2]


def test_a_copy_and_a_click_are_on_the_page(tmp_path: Path) -> None:
    with running_stack(tmp_path) as stack:
        host, port = stack.addresses["127.0.0.1:2525"].split(":")
        with smtplib.SMTP(host, int(port), timeout=60) as relay:
            relay.sendmail("bounce@acme.example", ["ann@example.net"], MAIL)
        click = f"http://{stack.addresses['127.0.0.1:8080']}/u?{link_of(stack)}"
        with urllib.request.urlopen(
            click, data=b"List-Unsubscribe=One-Click", timeout=60
        ) as answer:
            assert 200 == answer.status

        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        admin = f"http://{stack.addresses['127.0.0.1:8081']}"
        key = (tmp_path / "var/keys/admin-api-key").read_text().strip()
        signed_in = browser.open(
            f"{admin}/operator/sign-in",
            data=urllib.parse.urlencode({"key": key}).encode(),
            timeout=60,
        )
        assert signed_in.url == f"{admin}/operator/brands/acme"  # the only brand there is

        def seen() -> bool:
            words = " ".join(
                re.sub(r"<[^>]+>", " ", browser.open(admin, timeout=60).read().decode()).split()
            )
            return "List unsubscribe 1 0" in words and "spring-24 1 1 100.00 %" in words

        asyncio.run(eventually(seen, 60))
