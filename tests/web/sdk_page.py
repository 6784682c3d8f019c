"""A brand's page as its reader's browser runs it with the Web SDK: it asks, remembers what it is
told, and notes what is called.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from tests.support.lz_string import packed
from tests.web.running import Reply, Site

AS_SCRIPT = {
    "Sec-Fetch-Dest": "script",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Site": "cross-site",
}

_CALL = re.compile(
    r'if\((?:typeof \$WZRK_WR==="object"&&\$WZRK_WR&&)?typeof ([\w.$]+)==="function"\)\1\((.*)\);'
)


def calls(script: str) -> list[tuple[str, list[object]]]:
    """Return what a script calls: each function with its arguments. Fails for a script that does
    anything else.
    """
    found = []
    for line in script.splitlines():
        call = _CALL.fullmatch(line)
        assert call, line
        found.append((call[1], json.loads(f"[{call[2]}]")))
    return found


@dataclass
class SdkPage:
    """One open page. `remembered` is what the SDK sends as `cUsY`."""

    site: Site
    token: str
    page_type: str = ""
    account: str = "acme"
    remembered: str = ""
    groups: object = field(default_factory=list)
    fields: Mapping[str, str] = field(default_factory=lambda: AS_SCRIPT)

    async def look(self, *, with_groups: bool = False) -> tuple[str, dict[str, object]]:
        """Return the address and the profile that the page is given."""
        called, (address, profile) = await self._called(
            "", extra="&fetchGroups=true" if with_groups else ""
        )
        assert "wzrk_email_fetched" == called
        assert isinstance(address, str)
        assert isinstance(profile, dict)
        return address, profile

    async def act(self, sub: str) -> str:
        """Return the status that the page is given, or the name of the function that is told of a
        failure.
        """
        called, (status,) = await self._called(f"&sub={sub}")
        return str(status) if called == "wzrk_email_subscription" else called

    async def choose(self, **off: bool) -> str:
        """Save groups by name, True for unsubscribed."""
        self.groups = [{"name": name, "isUnsubscribed": is_off} for name, is_off in off.items()]
        return await self.act("2")

    async def ask(self, sub: str, *, extra: str = "") -> Reply:
        """Send a request as the SDK writes it, a second after the last one."""
        self.site.now_ms += 1000
        data: dict[str, object] = {"id": self.account, "unsubGroups": self.groups}
        if self.remembered:
            data["cUsY"] = self.remembered
        about = f"&page_type={self.page_type}" if self.page_type else ""
        ending = f"&tries=1&useIP=false&r={self.site.now_ms}"
        target = (
            f"/e?r=1{extra}&e={self.token}&d={quote(packed(data), safe='')}{sub}{about}{ending}"
        )
        return await self.site.ask("GET", target, fields=self.fields)

    async def _called(self, sub: str, *, extra: str = "") -> tuple[str, list[object]]:
        reply = await self.ask(sub, extra=extra)
        assert 200 == reply.status
        *before, last = calls(reply.text)
        for name, (profile,) in before:
            assert "$WZRK_WR.setUpdatedCategoryLong" == name
            assert isinstance(profile, dict)
            self.remembered = profile["cUsY"]
        return last
