"""The page in a real browser: to look changes nothing, to press its button does."""

import asyncio
import shutil
import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.web.running import running

pytestmark = pytest.mark.interop

SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # timers of five seconds pass at once, so a script that would press the button had its chance
    "--virtual-time-budget=5000",
)


class Form(HTMLParser):
    """What a browser would send for the page's form."""

    def __init__(self, dom: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str | None]] = []
        self.fields: list[tuple[str, str]] = []
        self.feed(dom)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.forms.append(given)
        name = given.get("name")
        if tag in {"input", "button"} and name:
            self.fields.append((name, given.get("value") or ""))


async def rendered(url: str, profile: Path) -> str:
    """Load a page in Chromium, scripts enabled, and return the document as it stands then."""
    browser = shutil.which("chromium")
    assert browser, "Chromium is missing"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        browser, *SWITCHES, f"--user-data-dir={profile}", "--dump-dom", url, stdout=pipe
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(), 60)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return out.decode()


async def test_a_browser_that_loads_the_page_changes_nothing_and_its_form_does(
    tmp_path: Path,
) -> None:
    """Catalogue E4, E17."""
    async with running() as site:
        target = f"/u?qmoe={site.token()}"
        dom = await rendered(f"http://{site.addresses['public']}{target}", tmp_path / "profile")
        after_load = await site.state()
        page = Form(dom)
        (form,) = page.forms
        done = await site.click(
            form.get("action") or target,
            urllib.parse.urlencode(page.fields).encode(),
            Accept="text/html",
        )

        assert "Acme &amp; Söhne" in dom
        assert "<script" not in dom
        assert 0 == after_load.sequence
        assert after_load.everything.subscribed
        assert "post" == form["method"]
        assert 200 == done.status
        assert "You are unsubscribed" in done.text
        assert await site.left()
