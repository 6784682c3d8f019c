"""CPython's own e-mail test data through a whole relay: what leaves, less the fields that we added,
is what came, or nothing leaves.

Catalogue H9, D5, D9, C1.
"""

import re

import dkim
import pytest

from app.core.model import Promotional
from tests.support.dkim_keys import dns
from tests.support.foreign_mails import foreign_mails
from tests.support.passages import passages

pytestmark = pytest.mark.interop

_FROM = re.compile(rb"(?im)^From:[^\n]*\n(?:[ \t][^\n]*\n)*")
# delivery reports; msg_43 is one too, but begins with a mailbox's "From " line and is refused for
# it
AUTOMATIC = {"msg_05", "msg_16"}


def mails_of_ours() -> dict[str, bytes]:
    """Return the mails, each with a From field of the brand in the place of its own, or on top."""
    ours = b"From: Acme <news@acme.example>\r\n"
    found = {}
    for name, mail in foreign_mails().items():
        head, mark, body = mail.partition(b"\r\n\r\n")
        without = _FROM.sub(b"", head + mark[:2])
        found[name] = ours + without + mark[2:] + body
    return found


def test_the_data_is_there() -> None:
    assert len(foreign_mails()) >= 45


@pytest.mark.parametrize("promotional", [Promotional.NEVER, Promotional.ALWAYS])
async def test_what_leaves_is_what_came(promotional: Promotional) -> None:
    found = await passages(promotional, mails_of_ours())

    left = {name: passage for name, passage in found.items() if passage.copy}
    unchanged = {name for name, one in left.items() if one.is_unchanged}
    if promotional is Promotional.NEVER:
        assert unchanged == left.keys()
    else:  # catalogue N2: bounces and reports are never promotional
        assert unchanged == AUTOMATIC
    assert [] == [
        name
        for name, one in left.items()
        if name not in unchanged and not one.is_unchanged_below_our_stamp
    ]
    assert [] == [
        name
        for name, one in left.items()
        if name not in unchanged and not dkim.verify(one.copy, dnsfunc=dns)
    ]
    assert [] == [
        (name, one.reply)
        for name, one in found.items()
        if not one.copy and not one.is_refused_with_reason
    ]
    assert len(left) >= 40
