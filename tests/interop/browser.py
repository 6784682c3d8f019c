"""Chromium, driven by Playwright, and axe-core, which judges what it shows."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.interop.npm import NpmPackage

VAR = Path(__file__).resolve().parents[2] / "var"
PHONE: ViewportSize = {"width": 390, "height": 844}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}
SMALLEST: ViewportSize = {"width": 320, "height": 512}  # WCAG 2.2 1.4.10; also 1280 at 400 %

_AXE = NpmPackage(
    name="axe-core",
    version="4.14.1",
    sha256="e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
)
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass
class Tab:
    """One page of the browser, and what it did behind the reader's back."""

    page: Page
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def shot(self, name: str) -> None:
        """Keep a picture for people to look at."""
        folder = VAR / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=folder / f"{name}.png", full_page=True)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the Chromium of Debian."""
    found = shutil.which("chromium")
    assert found, "Chromium is missing: apt-get install chromium"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def tab(
    browser: Browser,
    *,
    language: str = "en",
    script: bool = True,
    viewport: ViewportSize = PHONE,
    dark: bool = False,
) -> AsyncIterator[Tab]:
    """Open a tab of a reader's own, without a trace of the others."""
    context = await browser.new_context(
        locale=language,
        java_script_enabled=script,
        viewport=viewport,
        color_scheme="dark" if dark else "light",
    )
    opened = Tab(await context.new_page())
    opened.page.on("request", lambda request: opened.requests.append(request.url))
    opened.page.on(
        "console",
        lambda message: (
            opened.complaints.append(message.text) if message.type in {"error", "warning"} else None
        ),
    )
    opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
    try:
        yield opened
    finally:
        await context.close()


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds against WCAG 2.2 AA and its own best practice."""
    await page.evaluate(await asyncio.to_thread(_AXE.file, "axe.min.js"))
    found = await page.evaluate(
        "tags => axe.run(document, {runOnly: tags}).then(result => result.violations)", _TAGS
    )
    return [
        f"{one['id']}: {node['html']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]
