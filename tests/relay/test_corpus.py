"""Every odd mail that we have, through a whole relay: what leaves, less the fields that we added,
is what came, or nothing leaves.

Catalogue H9, D5, D9, H15, H16, C1.
"""

import dkim
import pytest

from app.core.model import Promotional
from tests.support.dkim_keys import dns
from tests.support.odd_mails import ODD_MAILS
from tests.support.passages import passages

# Nobody could say for certain what these mails are or whose; all others have to pass.
REFUSED = {
    "edge": "body_only nothing one_line_end",
    "field": (
        "colon_after_blank control_in_name control_odd_case control_unknown fields_over_cap"
        " head_over_cap latin1_in_name no_colon only_colon received_51"
    ),
    "first": "blank_first blanks_first fold_first mark_utf8 mbox_mark quoted_mbox_mark",
    "from": (
        "angle_in_angle blank_in_address dot_at_end empty endless foreign foreign_and_ours literal"
        " lookalike name_only no_domain null open_comment open_group open_quote route"
        " stray_semicolon two_angles unquoted_at_in_name utf8_domain_unknown"
    ),
    "missing": "From",
    "twice": "From",
}
# Refused only where they would be stamped: their heads cannot be signed for sure, and whose they
# are can be read all the same.
ODD_HEADS = {
    "field": "colon_after_blank",
}
NAMES_REFUSED, NAMES_OF_ODD_HEADS = (
    {f"{family}/{name}" for family, names in table.items() for name in names.split()}
    for table in (REFUSED, ODD_HEADS)
)
# they say themselves that they are promotional
STAMPED_ANYWAY = frozenset(("control_fields", "no_date_no_id", "alternative"))
# bounces and reports are never promotional
AUTOMATIC = frozenset(("delivery_report", "type/report"))


def test_the_corpus_is_as_large_as_it_should_be_and_no_mail_is_in_it_twice() -> None:
    assert len(set(ODD_MAILS.values())) == len(ODD_MAILS) >= 300


@pytest.mark.parametrize("promotional", [Promotional.NEVER, Promotional.ALWAYS])
async def test_only_a_mail_that_cannot_be_read_in_one_way_is_refused_and_with_a_reason(
    promotional: Promotional,
) -> None:
    found = await passages(promotional, ODD_MAILS)

    refused = {name: passage for name, passage in found.items() if not passage.copy}
    assert refused.keys() - {"subdomain"} == NAMES_REFUSED - (
        NAMES_OF_ODD_HEADS if promotional is Promotional.NEVER else set()
    )
    assert [] == [
        (name, passage.reply)
        for name, passage in refused.items()
        if not passage.is_refused_with_reason
    ]


async def test_a_mail_that_is_not_stamped_leaves_octet_for_octet() -> None:
    """Catalogue N9: whatever the shape of its head."""
    found = await passages(
        Promotional.NEVER, {name: ODD_MAILS[name] for name in ODD_MAILS.keys() - STAMPED_ANYWAY}
    )

    assert [] == [
        name for name, passage in found.items() if passage.copy and not passage.is_unchanged
    ]


async def test_a_stamped_mail_leaves_below_our_fields_as_it_came_and_the_signature_holds() -> None:
    found = await passages(Promotional.ALWAYS, ODD_MAILS)

    assert [] == [name for name in AUTOMATIC if not found[name].is_unchanged]
    left = {
        name: passage for name, passage in found.items() if passage.copy and name not in AUTOMATIC
    }
    assert [] == [
        name for name, passage in left.items() if not passage.is_unchanged_below_our_stamp
    ]
    assert [] == [
        name for name, passage in left.items() if not dkim.verify(passage.copy, dnsfunc=dns)
    ]
