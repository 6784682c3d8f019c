"""RET, ENVID, NOTIFY and ORCPT: what is understood, what is malformed, and that values are kept as
they were written (RFC 3461 4).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_proxy import replies
from smtp_proxy.replies import Reply
from smtp_proxy.session.delivery_options import RecipientOptions
from smtp_proxy.session.submission import Offers, Submission, read_mail, read_rcpt


def mail(parameters: str, *, dsn: bool = True) -> Submission | Reply:
    return read_mail(
        f"FROM:<a@b> {parameters}".encode(), extended=True, offers=Offers(smtputf8=True, dsn=dsn)
    )


def rcpt(parameters: str, *, smtputf8: bool = False, dsn: bool = True) -> RecipientOptions | Reply:
    found = read_rcpt(f"TO:<a@b> {parameters}".encode(), smtputf8=smtputf8, dsn=dsn)
    return found if isinstance(found, Reply) else found[1]


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("RET=HDRS", " RET=HDRS"),
        ("ret=Full", " RET=Full"),
        ("ENVID=aBc", " ENVID=aBc"),
        ("envid=QQ+2BaB+3D/x SIZE=12 RET=FULL", " RET=FULL ENVID=QQ+2BaB+3D/x"),
        (f"ENVID={'x' * 100}", f" ENVID={'x' * 100}"),
        ("SIZE=12", ""),
    ],
)
def test_what_mail_asks_is_kept_with_its_case(given_: str, kept: str) -> None:
    """Catalogue S17."""
    found = mail(given_)

    assert isinstance(found, Submission)
    assert kept == str(found.options)


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("NOTIFY=NEVER", " NOTIFY=NEVER"),
        ("notify=Failure,SUCCESS,delay", " NOTIFY=Failure,SUCCESS,delay"),
        (
            "ORCPT=rfc822;Bob+2Bx@Example.COM NOTIFY=DELAY",
            " NOTIFY=DELAY ORCPT=rfc822;Bob+2Bx@Example.COM",
        ),
        ("", ""),
    ],
)
def test_what_a_recipient_asks_is_kept_with_its_case(given_: str, kept: str) -> None:
    """Catalogue S17."""
    assert kept == str(rcpt(given_))


def test_an_original_recipient_outside_ascii_needs_smtputf8() -> None:
    """RFC 6533 3."""
    assert " ORCPT=utf-8;用户@例え.jp" == str(rcpt("ORCPT=utf-8;用户@例え.jp", smtputf8=True))
    assert "" == str(rcpt("ORCPT=utf-8;用户@例え.jp"))
    assert "" == str(rcpt("ORCPT=rfc822;用户@例え.jp", smtputf8=True))
    assert r" ORCPT=utf-8;\x{7528}@x.example" == str(rcpt(r"ORCPT=utf-8;\x{7528}@x.example"))


@pytest.mark.parametrize(
    "parameters",
    [
        "RET", "RET=", "RET=BODY", "RET=FULL,HDRS", "ENVID", "ENVID=", "ENVID=a+b", "ENVID=a+2",
        "ENVID=a+2b", "ENVID=a=b", "ENVID=a+0D+0AX", "ENVID=+80", "ENVID=ö", f"ENVID={'x' * 101}",
    ],
)  # fmt: skip
def test_what_mail_asks_malformed_is_refused(parameters: str) -> None:
    """Catalogue S12: nothing that would break a report is ever in one."""
    assert replies.PARAMETER_MALFORMED == mail(parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        "NOTIFY", "NOTIFY=", "NOTIFY=ALWAYS", "NOTIFY=NEVER,FAILURE", "NOTIFY=FAILURE,",
        "ORCPT=rf c822;a@b",
    ],
)  # fmt: skip
def test_what_a_recipient_asks_malformed_is_refused(parameters: str) -> None:
    assert isinstance(rcpt(parameters), Reply)


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ("ORCPT=rfc822;+E7+94+A8+E6+88+B7@x.example", " ORCPT=rfc822;+E7+94+A8+E6+88+B7@x.example"),
        ("ORCPT=rfc822;a+0Ab@c", " ORCPT=rfc822;a+0Ab@c"), ("ORCPT", ""), ("ORCPT=", ""),
        ("ORCPT=a@b", ""), ("ORCPT=rfc822;", ""), ("ORCPT=rfc822;a+b@c", ""),
        ("ORCPT=rfc_822;a@b", ""), (f"ORCPT=rfc822;{'x' * 501}", ""),
    ],
)  # fmt: skip
def test_no_recipient_is_lost_for_an_original_address(parameters: str, kept: str) -> None:
    """Catalogue N7: any octets as xtext pass on, what is none is dropped."""
    assert kept == str(rcpt(parameters))


@pytest.mark.parametrize("parameters", ["RET=HDRS", "ENVID=aBc"])
def test_mail_asks_for_nothing_where_dsn_is_not_offered(parameters: str) -> None:
    """Catalogue S12."""
    assert replies.PARAMETER_UNSUPPORTED == mail(parameters, dsn=False)


@pytest.mark.parametrize("parameters", ["NOTIFY=NEVER", "ORCPT=rfc822;a@b"])
def test_a_recipient_asks_for_nothing_where_dsn_is_not_offered(parameters: str) -> None:
    """Catalogue S12."""
    assert replies.PARAMETER_UNSUPPORTED == rcpt(parameters, dsn=False)


def test_another_parameter_or_one_given_twice_is_refused() -> None:
    assert replies.PARAMETER_UNSUPPORTED == rcpt("NOTIFY=NEVER NOTIFY=NEVER")
    assert replies.PARAMETER_UNSUPPORTED == rcpt("NOTIFY=NEVER RET=HDRS")
    assert replies.PARAMETER_UNSUPPORTED == mail("NOTIFY=NEVER")


@pytest.mark.parametrize(
    ("notify", "wants"),
    [
        ("", True),
        ("FAILURE", True),
        ("success,failure", True),
        ("NEVER", False),
        ("never", False),
        ("SUCCESS,DELAY", False),
    ],
)
def test_a_refusal_is_reported_unless_something_else_was_asked(notify: str, wants: bool) -> None:
    """Catalogue X15."""
    assert wants == RecipientOptions(notify=notify).wants_failures


@given(st.binary(max_size=40))
def test_no_accepted_value_can_break_a_line_of_a_command(junk: bytes) -> None:
    """Catalogue C2."""
    found = read_rcpt(b"TO:<a@b> ORCPT=utf-8;" + junk, smtputf8=True, dsn=True)

    if not isinstance(found, Reply):
        assert " " not in str(found[1])[1:]
        assert not any(char < " " or "\x7f" <= char <= "\x9f" for char in str(found[1]))
