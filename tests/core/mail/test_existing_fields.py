"""What becomes of link fields and signatures that came with a mail, policy by policy."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import RuleViolation
from app.core.mail.message import parse
from app.core.mail.stamp import Base, Handling, Links, prepare, stamp_fields
from app.core.model import ExistingHeader, ExistingSignature
from tests.support.corpus import NAMED

LINKS = Links(https_uri="https://u.example.com/u?qmoe=abc", mailto_uri=None, one_click=True)
OURS = b"".join(stamp_fields(LINKS))
POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
HTTPS = b"List-Unsubscribe: <https://old.example/u/1>\r\n"
HTTP = b"List-Unsubscribe: <http://old.example/u/1>\r\n"
MAILTO = b"List-Unsubscribe:\r\n\t<mailto:leave@acme.example>\r\n"
MALFORMED = b"list-unsubscribe: https://old.example/u (click here)\r\n"
EMPTY = b"List-Unsubscribe:\r\n"
OTHER = b"LIST-UNSUBSCRIBE: <https://other.example/>, <mailto:o@other.example>\r\n"
SIGNATURE = (
    b"DKIM-Signature: v=1; a=rsa-sha256; d=up.example; s=u;\r\n h=From : To:List-Unsubscribe:\r\n"
    b" list-unsubscribe-post;bh=YQ==; b=YQ==\r\n"
)
PARTIAL = b"DKIM-Signature: v=1; d=up.example; h=from:list-unsubscribe; b=YQ==\r\n"
UNRELATED = b"DKIM-Signature: v=1; d=up.example; h=from:subject:to; b=YQ==\r\n"
PLAIN = (
    b"From: news@acme.example\r\nDate: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID:"
    b" <1@acme.example>\r\n"
)
UNSTAMPED = Handling(has_links=False)
UNSIGNED = Handling(signed=False)


def _base(fields: bytes, existing: ExistingHeader, handling: Handling = Handling()) -> Base:  # noqa: B008 - frozen
    mail = PLAIN + fields + b"\r\ntext\r\n"
    return prepare(
        parse(mail),
        existing=existing,
        date=b"now",
        message_id=b"<new@relay.example>",
        handling=handling,
    )


def _stamped(fields: bytes, existing: ExistingHeader, handling: Handling = Handling()) -> bytes:  # noqa: B008 - frozen
    """Return what stands in the head beside the plain fields."""
    base = _base(fields, existing, handling)
    head = base.head(*(base.stamp(LINKS) if handling.has_links else ()))
    assert PLAIN in head
    return head.replace(PLAIN, b"").removesuffix(b"\r\n")


THEIRS = [
    HTTPS + POST,
    HTTPS,
    HTTP + POST,
    MAILTO,
    MAILTO + POST,
    MALFORMED,
    EMPTY,
    HTTPS + OTHER + POST + POST,
    POST,
]


@pytest.mark.parametrize("theirs", THEIRS)
def test_replace_leaves_exactly_ours(theirs: bytes) -> None:
    """Catalogue H1, H13."""
    assert OURS == _stamped(theirs, ExistingHeader.REPLACE)


@pytest.mark.parametrize(
    ("theirs", "copy"),
    [
        (HTTPS + POST, HTTPS + POST),
        (POST + HTTPS, POST + HTTPS),
        (HTTPS, HTTPS),
        (HTTP, HTTP),
        (HTTP + POST, HTTP),
        (MAILTO, MAILTO),
        (MAILTO + POST, MAILTO),
        (MALFORMED, OURS),
        (MALFORMED + POST, OURS),
        (EMPTY, OURS),
        (POST, OURS),
        (b"", OURS),
        (MAILTO + HTTPS + OTHER + POST + POST, HTTPS + POST),
        (MAILTO + HTTP, MAILTO),
        (HTTPS + HTTPS, HTTPS),
        (MALFORMED + MAILTO, MAILTO),
        (HTTPS + b"List-Unsubscribe-Post: list-unsubscribe=one-click\r\n", HTTPS),
        (
            HTTPS + b"List-Unsubscribe-Post:\r\n List-Unsubscribe=One-Click\r\n",
            HTTPS + b"List-Unsubscribe-Post:\r\n List-Unsubscribe=One-Click\r\n",
        ),
    ],
)
def test_keep_leaves_one_link_that_readers_can_follow_and_no_promise_that_it_breaks(
    theirs: bytes, copy: bytes
) -> None:
    """Catalogue H1, H3, H13: two fields become one, nothing of ours stands beside theirs, and -Post
    only beside https.
    """
    assert copy == _stamped(theirs, ExistingHeader.KEEP)


@pytest.mark.parametrize(
    ("theirs", "mailto"),
    [
        (HTTPS + POST, None),
        (HTTP, None),
        (MAILTO, b"mailto:leave@acme.example"),
        (MALFORMED, None),
        (HTTPS + OTHER + MAILTO, b"mailto:o@other.example"),
    ],
)
def test_merge_stamps_ours_and_at_most_one_mailto_of_theirs(
    theirs: bytes, mailto: bytes | None
) -> None:
    """Catalogue H1, H2, H13."""
    second = b",\r\n <" + mailto + b">" if mailto else b""

    assert OURS.replace(b">\r\n", b">" + second + b"\r\n", 1) == _stamped(
        theirs, ExistingHeader.MERGE
    )


@pytest.mark.parametrize("theirs", THEIRS)
def test_reject_refuses_whatever_came(theirs: bytes) -> None:
    """Catalogue H1, H13."""
    with pytest.raises(RuleViolation):
        _stamped(theirs, ExistingHeader.REJECT)


@pytest.mark.parametrize(
    "existing", [ExistingHeader.REPLACE, ExistingHeader.KEEP, ExistingHeader.MERGE]
)
@pytest.mark.parametrize(
    ("theirs", "copy"),
    [
        (HTTPS + POST, HTTPS + POST),
        (MAILTO + POST, MAILTO),
        (HTTPS + OTHER, HTTPS),
        (MALFORMED + POST, MALFORMED),
        (POST, b""),
    ],
)
def test_a_brand_without_links_keeps_theirs_whatever_the_policy(
    existing: ExistingHeader, theirs: bytes, copy: bytes
) -> None:
    """Catalogue H3, H13: they are the only way out of the list."""
    assert copy == _stamped(theirs, existing, UNSTAMPED)


@pytest.mark.parametrize(
    ("theirs", "copy"),
    [
        (HTTPS + POST, HTTPS),
        (PARTIAL + HTTPS + POST, PARTIAL + HTTPS),
        (SIGNATURE + HTTPS + POST, SIGNATURE + HTTPS + POST),
        (SIGNATURE + MAILTO + POST, SIGNATURE + MAILTO),
    ],
)
def test_without_our_signature_their_promise_stays_only_under_one_of_theirs(
    theirs: bytes, copy: bytes
) -> None:
    """Catalogue H3: List-Unsubscribe-Post never stands where no signature covers both fields."""
    assert copy == _stamped(theirs, ExistingHeader.KEEP, UNSIGNED)


def test_a_signature_that_we_break_covers_nothing() -> None:
    """Catalogue H3: it lists Bcc, which does not leave."""
    signature = SIGNATURE.replace(b"h=From", b"h=bcc:From")

    assert signature + HTTPS == _stamped(
        signature + b"Bcc: x@acme.example\r\n" + HTTPS + POST, ExistingHeader.KEEP, UNSIGNED
    )


@pytest.mark.parametrize(
    ("theirs", "existing", "broken"),
    [
        (SIGNATURE + HTTPS + POST, ExistingHeader.REPLACE, 1),
        (PARTIAL + HTTPS + POST, ExistingHeader.MERGE, 1),
        (SIGNATURE + PARTIAL + UNRELATED + HTTPS, ExistingHeader.REPLACE, 2),
        (SIGNATURE, ExistingHeader.REPLACE, 1),
        (UNRELATED + HTTPS, ExistingHeader.REPLACE, 0),
        (SIGNATURE + HTTPS + POST, ExistingHeader.KEEP, 0),
        (SIGNATURE + HTTPS + OTHER, ExistingHeader.KEEP, 1),
        (b"DKIM-Signature: nonsense\r\n" + HTTPS, ExistingHeader.REPLACE, 0),
    ],
)
def test_a_signature_of_theirs_over_fields_that_change_is_counted_and_kept_or_stripped(
    theirs: bytes, existing: ExistingHeader, broken: int
) -> None:
    """Catalogue D10."""
    kept = _base(theirs, existing)
    stripped = _base(theirs, existing, Handling(signatures=ExistingSignature.STRIP))

    assert broken == kept.broken_signatures == stripped.broken_signatures
    assert theirs.count(b"DKIM-Signature") == kept.head().count(b"DKIM-Signature")
    assert theirs.count(b"DKIM-Signature") - broken == stripped.head().count(b"DKIM-Signature")


def test_a_signature_over_a_field_that_we_add_is_broken_too() -> None:
    """Catalogue D10."""
    message = parse(b"DKIM-Signature: v=1; h=from:list-id:date\r\nFrom: a@acme.example\r\n\r\n")

    base = prepare(
        message, existing=ExistingHeader.KEEP, date=b"now", message_id=b"<a@b>", handling=UNSTAMPED
    )

    assert 1 == base.broken_signatures


@pytest.mark.parametrize(("signed", "left"), [(True, 0), (False, 2)])
def test_a_downstream_of_one_signature_gets_ours_alone(signed: bool, left: int) -> None:
    """Catalogue D7."""
    base = _base(
        SIGNATURE + UNRELATED + HTTPS,
        ExistingHeader.REPLACE,
        Handling(signed=signed, one_signature=True),
    )

    assert left == base.head().count(b"DKIM-Signature")


def test_a_sample_signed_upstream_is_known_to_be_broken_by_our_stamp() -> None:
    """Catalogue D10."""
    base = prepare(
        parse(NAMED["their_signature"]),
        existing=ExistingHeader.REPLACE,
        date=b"now",
        message_id=b"<a@b>",
    )

    assert 1 == base.broken_signatures


def _shape(head: bytes) -> Sequence[bytes]:
    return [
        field.name for field in parse(head).fields if field.name.startswith(b"list-unsubscribe")
    ]


@given(
    st.lists(
        st.sampled_from(
            [HTTPS, HTTP, MAILTO, MALFORMED, EMPTY, OTHER, POST, SIGNATURE, b"X-A: b\r\n"]
        ),
        max_size=8,
    ),
    st.sampled_from([ExistingHeader.REPLACE, ExistingHeader.KEEP, ExistingHeader.MERGE]),
    st.booleans(),
)
def test_a_stamped_copy_has_one_link_field_and_at_most_one_promise(
    theirs: list[bytes], existing: ExistingHeader, signed: bool
) -> None:
    """Catalogue H1, H3."""
    copy = _stamped(b"".join(theirs), existing, Handling(signed=signed))
    names = _shape(copy + b"\r\n")

    assert 1 == names.count(b"list-unsubscribe")
    assert names.count(b"list-unsubscribe-post") <= (b"https://" in copy)
    assert b"X-A: b\r\n" * theirs.count(b"X-A: b\r\n") == b"".join(
        raw for raw in copy.splitlines(keepends=True) if raw.startswith(b"X-A")
    )
