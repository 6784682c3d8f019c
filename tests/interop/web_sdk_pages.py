"""Pages of a brand that were written for CleverTap, on a web server of the brand's own."""

import functools
import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Page

GUIDE = Path(__file__).resolve().parents[2] / "docs/custom-page.md"
# Where CleverTap's snippet loads the SDK from, for a page that is served in clear.
HOSTED_SDK = "http://static.clevertap.com/js/a.js"

_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Unsubscribe</title>
<script type="text/javascript">
  var clevertap = {event: [], profile: [], account: [], onUserLogin: [], notifications: []};
  %(settings)s
  %(account)s
  (function () {
    var tag = document.createElement("script");
    tag.type = "text/javascript";
    tag.async = true;
    tag.src = "http://static.clevertap.com/js/a.js";
    var first = document.getElementsByTagName("script")[0];
    first.parentNode.insertBefore(tag, first);
  })();
</script></head><body>"""

_WITHOUT_GROUPS = (
    _HEAD
    + """<input type="text" id="email" readonly>
<button id="off" onclick="off()">Off</button><button id="on" onclick="on()">On</button>
<p id="said"></p>
<script>
  window.onload = function () { $WZRK_WR.getEmail(%(encoded)s); };
  function wzrk_email_fetched(email) { document.getElementById("email").value = email; }
  function wzrk_email_subscription(status) {
    document.getElementById("said").textContent += status == 0 ? "[off]" : "[on]";
  }
  function wzrk_email_subscription_failed() { document.getElementById("said").textContent += "[failed]"; }
  function off() { $WZRK_WR.unSubEmail(%(encoded)s); }
  function on() { $WZRK_WR.subEmail(%(encoded)s); }
</script></body></html>"""
)

_WITH_GROUPS = (
    _HEAD
    + """<input type="text" id="email"><div id="groups"></div>
<button id="save" onclick="save()">Save</button><p id="said"></p>
<script>
  window.onload = function () { $WZRK_WR.getEmail(false, true); };
  function wzrk_email_fetched(email, profile) {
    document.getElementById("email").value = email;
    $WZRK_WR.setSubscriptionGroups(profile.groups);
    $WZRK_WR.setUpdatedCategoryLong(profile);
    $WZRK_WR.getSubscriptionGroups().forEach(function (group) {
      var box = document.createElement("input");
      box.type = "checkbox";
      box.name = box.id = group.name;
      box.className = "ct-unsub-group-input-item";
      box.checked = group.isUnsubscribed;
      document.getElementById("groups").append(box, group.name);
    });
  }
  function wzrk_email_subscription(status) {
    document.getElementById("said").textContent += status == 0 ? "[off]" : "[on]";
  }
  function wzrk_email_subscription_failed() { document.getElementById("said").textContent += "[failed]"; }
  function save() {
    var chosen = [];
    Array.from(document.getElementsByClassName("ct-unsub-group-input-item")).forEach(function (box) {
      chosen.push({name: box.name, isUnsubscribed: box.checked});
    });
    $WZRK_WR.changeSubscriptionGroups(false, chosen);
  }
</script></body></html>"""
)


def account_line(host: str) -> str:
    """Return the one line that moves a page to us, as the guide gives it, with another host."""
    line: str
    (line,) = re.findall(r"^clevertap\.account\.push\(.*\);$", GUIDE.read_text(), re.MULTILINE)
    assert "unsubscribe.example.com" in line
    return line.replace("unsubscribe.example.com", host)


def plain_page(account: str, *, encoded: bool = False, settings: str = "") -> str:
    """Return a page that unsubscribes and resubscribes. `encoded`: its server has encoded the
    address of the page once more.
    """
    return _WITHOUT_GROUPS % {
        "account": account,
        "encoded": str(encoded).lower(),
        "settings": settings,
    }


def groups_page(account: str) -> str:
    """Return a page with a checkbox for each group."""
    return _WITH_GROUPS % {"account": account, "settings": ""}


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """Serve a folder on loopback and return its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def serve_sdk(context: BrowserContext, script: str) -> None:
    """Let the browser find the SDK where pages load it from."""
    await context.route(
        HOSTED_SDK, lambda route: route.fulfill(body=script, content_type="text/javascript")
    )


async def said(page: Page, words: str) -> None:
    """Wait until the page says exactly this."""
    await page.wait_for_function(
        "words => document.getElementById('said').textContent === words", arg=words
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
