"""The grammar of MAIL and RCPT."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.delivery_options import NOTHING_ASKED, RecipientOptions
from smtp_proxy.session.submission import Offers, Submission, read_mail, read_rcpt


def sender_of(argument: str, *, smtputf8: bool = True) -> str | Reply:
    found = read_mail(argument.encode(), extended=True, offers=Offers(smtputf8=smtputf8))
    return found if isinstance(found, Reply) else found.sender


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("<a@b>", "a@b"),
        ("<>", ""),
        ("<Bob.Smith+tag@EX.com>", "Bob.Smith+tag@EX.com"),
        ("<!#$%&'*+-/=?^_`{|}~@x.example>", "!#$%&'*+-/=?^_`{|}~@x.example"),
        ('<"a b\\"c>d"@x.example>', '"a b\\"c>d"@x.example'),
        ("<a@[192.0.2.1]>", "a@[192.0.2.1]"),
        ("<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"),
        ("<@one.example,@two.example:a@x.example>", "a@x.example"),
        (f"<{'l' * 64}@x.example>", f"{'l' * 64}@x.example"),
        (f"<a@{'d' * 63}.example>", f"a@{'d' * 63}.example"),
        (" <a@b>", "a@b"),
        ("a@b", "a@b"),
        (" a@b SIZE=12", "a@b"),
    ],
)
def test_an_address_is_kept_as_it_was_written(path: str, address: str) -> None:
    """Catalogue S6."""
    assert address == sender_of(f"FROM:{path}")
    assert address == sender_of(f"from:{path}")


@pytest.mark.parametrize(
    "path",
    [
        "<a@b",
        "a@b>",
        "<a>",
        "<@b>",
        "<a@>",
        "<a@b@c>",
        "<a b@c>",
        "<.a@b>",
        "<a.@b>",
        "<a..c@b>",
        "<a@b..c>",
        "<a@.b>",
        "<a@b.>",
        "<a@-b>",
        "<a@b->",
        "<a@b_c>",
        "<a@[192.0.2.300]>",
        "<a@[IPv6:::g]>",
        "<a@[b]>",
        '<"a@b>',
        '<"a"b"@c>',
        "<a\tb@c>",
        "<a\x7f@c>",
        '<"a\x01"@c>',
        "<a\x85@c>",
        "<a\u2028@c>",
        f"<{'l' * 65}@x.example>",
        f"<a@{'d' * 64}.example>",
        f"<a@{'.'.join(['d' * 60] * 5)}>",
        "<a@b>junk",
        "<a@b><c@d>",
        "",
        "<a\r\nb@c>",
        "<a\nb@c>",
        "<a\0b@c>",
    ],
)
def test_what_is_no_address_is_refused_with_a_syntax_reply(path: str) -> None:
    """Catalogue C2."""
    parameters = " SMTPUTF8" if not path.isascii() else ""

    assert replies.SENDER_MALFORMED == sender_of(f"FROM:{path}{parameters}")
    assert replies.RECIPIENT_MALFORMED == read_rcpt(f"TO:{path}".encode(), smtputf8=True)


@given(st.binary(max_size=60), st.booleans())
def test_no_accepted_address_holds_a_control_character_a_bracket_or_too_much(
    junk: bytes, smtputf8: bool
) -> None:
    """Catalogue C2."""
    found = read_rcpt(b"TO:<" + junk + b"@x.example>", smtputf8=smtputf8)

    if not isinstance(found, Reply):
        address, _ = found
        assert address.isprintable() or not address.isascii()
        assert not set("\r\n\0\x7f\x85") & set(address)
        assert address.startswith('"') or not set("<> ") & set(address)
        assert len(address.encode()) <= 254


@given(st.text(min_size=1, max_size=20, alphabet=st.characters(categories=["L", "N"])))
def test_an_address_in_any_alphabet_comes_through_with_smtputf8_only(local: str) -> None:
    argument = f"TO:<{local}@例え.jp>".encode()

    wanted = (
        (f"{local}@例え.jp", NOTHING_ASKED)
        if len(local.encode()) <= 64
        else replies.RECIPIENT_MALFORMED
    )
    assert wanted == read_rcpt(argument, smtputf8=True)
    assert isinstance(read_rcpt(argument, smtputf8=False), Reply)


def test_an_address_outside_ascii_needs_the_parameter() -> None:
    assert replies.ADDRESS_NEEDS_SMTPUTF8 == sender_of("FROM:<用户@x.example>")
    assert "用户@x.example" == sender_of("FROM:<用户@x.example> SMTPUTF8")
    assert replies.ADDRESS_NEEDS_SMTPUTF8 == read_rcpt(
        "TO:<用户@x.example>".encode(), smtputf8=False
    )


def test_octets_that_are_no_utf8_are_refused() -> None:
    assert replies.RECIPIENT_MALFORMED == read_rcpt(b"TO:<a\xff@x.example>", smtputf8=True)


@pytest.mark.parametrize("argument", [b"TO:<>", b"TO:", b"<a@b>", b"FROM:<a@b>", b"TO <a@b>"])
def test_a_recipient_needs_an_address(argument: bytes) -> None:
    assert replies.RECIPIENT_MALFORMED == read_rcpt(argument, smtputf8=False)


def test_postmaster_without_domain_is_told_what_is_missing() -> None:
    assert replies.RECIPIENT_WITHOUT_DOMAIN == read_rcpt(b"TO:<Postmaster>", smtputf8=False)


@pytest.mark.parametrize(
    ("parameters", "reply"),
    [
        ("RET=FULL", replies.PARAMETER_UNSUPPORTED),
        ("ENVID=aBc", replies.PARAMETER_UNSUPPORTED),
        ("REQUIRETLS", replies.PARAMETER_UNSUPPORTED),
        ("MT-PRIORITY=3", replies.PARAMETER_UNSUPPORTED),
        ("BY=120;R", replies.PARAMETER_UNSUPPORTED),
        ("HOLDFOR=9", replies.PARAMETER_UNSUPPORTED),
        ("SIZE=1 SIZE=1", replies.PARAMETER_UNSUPPORTED),
        ("size=1 SIZE=2", replies.PARAMETER_UNSUPPORTED),
        ("=", replies.PARAMETER_UNSUPPORTED),
        ("SIZE", replies.PARAMETER_MALFORMED),
        ("SIZE=", replies.PARAMETER_MALFORMED),
        ("SIZE=1k", replies.PARAMETER_MALFORMED),
        ("SIZE=-1", replies.PARAMETER_MALFORMED),
        ("SIZE=" + "9" * 21, replies.PARAMETER_MALFORMED),
        ("BODY=BINARYMIME", replies.PARAMETER_MALFORMED),
        ("BODY", replies.PARAMETER_MALFORMED),
        ("SMTPUTF8=1", replies.PARAMETER_MALFORMED),
        ("AUTH=", replies.PARAMETER_MALFORMED),
    ],
)
def test_a_parameter_that_is_not_offered_given_twice_or_not_understood_is_refused(
    parameters: str, reply: Reply
) -> None:
    """Catalogue S12, S15, S22."""
    assert reply == sender_of(f"FROM:<a@b> {parameters}")


def test_the_parameters_that_are_offered_are_read() -> None:
    """Catalogue S9, S12."""
    found = read_mail(
        b"FROM:<a@b>  size=12 Body=8bitMIME smtputf8 AUTH=<>",
        extended=True,
        offers=Offers(smtputf8=True),
    )

    assert isinstance(found, Submission)
    assert (12, True, True) == (found.size, found.body_8bit, found.smtputf8)


def test_smtputf8_is_refused_where_it_was_not_offered() -> None:
    assert replies.PARAMETER_UNSUPPORTED == sender_of("FROM:<a@b> SMTPUTF8", smtputf8=False)


def test_a_client_that_said_helo_has_no_parameters() -> None:
    assert replies.PARAMETER_UNSUPPORTED == read_mail(
        b"FROM:<a@b> SIZE=1", extended=False, offers=Offers()
    )


@pytest.mark.parametrize("parameter", ["NOTIFY=NEVER", "ORCPT=rfc822;a@b", "X"])
def test_a_recipient_parameter_is_refused(parameter: str) -> None:
    """Catalogue S12."""
    assert replies.PARAMETER_UNSUPPORTED == read_rcpt(
        f"TO:<a@b> {parameter}".encode(), smtputf8=False
    )


def test_the_same_recipient_again_is_one_copy_under_its_first_spelling() -> None:
    """Catalogue S11."""
    submission = Submission(sender="")

    accepted = [
        submission.add(address, limit=2)
        for address in ("a@X.example", "A@x.example", "a@x.EXAMPLE", "c@x.example")
    ]

    assert [True, True, True, False] == accepted
    assert ("a@X.example", "A@x.example") == submission.recipients


def test_what_was_asked_first_about_a_recipient_counts() -> None:
    """Catalogue S11, S17."""
    submission = Submission(sender="")
    for address, notify in (("a@x", "NEVER"), ("a@X", "SUCCESS"), ("b@x", "")):
        submission.add(address, limit=9, options=RecipientOptions(notify=notify))

    assert {"a@x": RecipientOptions(notify="NEVER")} == submission.recipient_options


def test_each_accepted_recipient_has_a_reply_of_its_own_duplicates_included() -> None:
    """Catalogue X4, S11: in the order of the RCPT commands."""
    submission = Submission(sender="")
    for address in ("a@x", "b@x", "a@X", "c@x"):
        submission.add(address, limit=2)
    first, second = Reply(250, "2.0.0", "a"), Reply(550, "5.1.1", "b")

    assert [first, second, first] == submission.each_reply((first, second))
    assert [second] * 3 == submission.each_reply(second)
