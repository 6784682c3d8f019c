"""What is never touched, and what is refused rather than sent with a placeholder in it."""

import base64
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from app.core.errors import PlaceholderUnusable
from app.core.mail.macros import MOST_CANDIDATES, Placeholder
from app.core.mail.macros_plan import MAX_LINE_OCTETS, MAX_PLACEHOLDERS, plan_body
from app.core.mail.message import parse
from tests.core.mail.test_mime import calls, multipart
from tests.support.corpus import MAILS
from tests.support.placeholders import HEAD, URLS, filled, part

PLACEHOLDER = b"*|UNSUBSCRIBE|*"
TEXT = b"Content-Type: text/plain\r\n\r\n" + PLACEHOLDER


@pytest.mark.parametrize(
    "sealed",
    [
        multipart(TEXT, b"Content-Type: application/pkcs7-signature\r\n\r\nMII", kind="signed"),
        multipart(
            b"Content-Type: application/pgp-encrypted\r\n\r\nVersion: 1", TEXT, kind="encrypted"
        ),
        b"Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\n" + PLACEHOLDER,
        b"Content-Type: application/x-pkcs7-mime\r\n\r\n" + PLACEHOLDER,
        b"\r\n-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"
        + PLACEHOLDER
        + b"\r\n-----BEGIN PGP SIGNATURE-----\r\n",
        b"\r\nhello\r\n-----BEGIN PGP MESSAGE-----\r\n\r\n" + PLACEHOLDER,
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"-----BEGIN PGP SIGNED MESSAGE-----\r\n" + PLACEHOLDER),
        b"DKIM-Signature: v=1; a=rsa-sha256; d=acme.example; s=a;\r\n l=10; h=from; bh=; b=\r\n\r\n"
        + PLACEHOLDER,
        multipart(b"Content-Type: message/rfc822\r\n\r\n" + HEAD + b"\r\n" + PLACEHOLDER),
        multipart(b"Content-Disposition: attachment\r\n\r\n" + PLACEHOLDER),
        b"Content-Type: application/octet-stream\r\n\r\n" + PLACEHOLDER,
    ],
)
def test_what_is_signed_encrypted_or_attached_is_not_touched(sealed: bytes) -> None:
    """Catalogue X10."""
    assert filled(HEAD + sealed) is None


def test_a_signature_of_the_whole_body_does_not_seal_it() -> None:
    """Catalogue X10, D10: without `l=` it is broken by any change and replaced by ours."""
    mail = filled(
        b"DKIM-Signature: v=1; d=acme.example; bl=1; h=from; bh=; b=l\r\n" + part(PLACEHOLDER)
    )

    assert mail is not None
    assert PLACEHOLDER not in mail


def test_beside_a_sealed_part_the_others_are_filled_in(tmp_path: Path) -> None:
    """Catalogue X10: OpenSSL verifies what was signed before and after."""
    signed = _smime_signed(PLACEHOLDER + b"\r\n", tmp_path)
    mail = multipart(signed, TEXT, boundary=b"outer-of-all")

    after = filled(mail)

    filled_in = b"Content-Type: text/plain\r\n\r\n" + URLS[Placeholder.UNSUBSCRIBE].encode()
    assert after == multipart(signed, filled_in, boundary=b"outer-of-all")
    assert filled(signed) is None
    inner = after.partition(b"--outer-of-all\r\n")[2].rpartition(
        b"\r\n--outer-of-all\r\nContent-Type: text/plain"
    )[0]
    assert inner == signed
    assert _verifies(inner, tmp_path)
    assert not _verifies(inner.replace(PLACEHOLDER, b"https://"), tmp_path)


def _smime_signed(text: bytes, folder: Path) -> bytes:
    (folder / "text").write_bytes(text)
    _openssl(
        folder,
        "req -x509 -newkey rsa:2048 -nodes -keyout key -out certificate -days 1 -subj"
        " /CN=acme.example",
    )
    _openssl(
        folder, "smime -sign -text -in text -signer certificate -inkey key -out signed -crlfeol"
    )
    return (folder / "signed").read_bytes()


def _verifies(mail: bytes, folder: Path) -> bool:
    (folder / "mail").write_bytes(mail)
    return (
        _openssl(
            folder, "smime -verify -in mail -CAfile certificate -purpose any -out text", check=False
        )
        == 0
    )


def _openssl(folder: Path, arguments: str, *, check: bool = True) -> int:
    return subprocess.run(
        ["openssl", *arguments.split()], cwd=folder, check=check, capture_output=True, timeout=60
    ).returncode


@pytest.mark.parametrize(
    "mail",
    [
        part(base64.b64encode(PLACEHOLDER * 9) + b"!", encoding="base64"),
        part(base64.b64encode(b"a") + base64.b64encode(b"bb" + PLACEHOLDER), encoding="base64"),
        part(base64.b64encode(PLACEHOLDER + b"a")[:-1], encoding="base64"),
        part(PLACEHOLDER, encoding="x-uuencode"),
        part(PLACEHOLDER, encoding=""),
        part(b"x" * (MAX_LINE_OCTETS - 60) + PLACEHOLDER),
        part(PLACEHOLDER * 12),
        part(PLACEHOLDER, "text/html; charset=a; charset=b"),
        part(PLACEHOLDER, "multipart/mixed"),
        part(b"=2A|UNSUB=\r\nSCRIBE|*", "multipart/mixed; boundary=b"),
        HEAD + multipart(b"no head\r\n\r\n*&#124;UNSUBSCRIBE|*"),
        HEAD + multipart(b"\r\n" + PLACEHOLDER, end=b"") + b"\r\n--b\r\n\r\nx" * 1000,
    ],
)
def test_a_placeholder_that_cannot_be_replaced_is_refused(mail: bytes) -> None:
    """Catalogue X11."""
    with pytest.raises(PlaceholderUnusable):
        filled(mail)


CODE = base64.encodebytes(b"Leave: " + PLACEHOLDER + b" " + b"and more text " * 20).replace(
    b"\n", b"\r\n"
)
WIDE_CODE = base64.b64encode(f"Leave: {PLACEHOLDER.decode()}".encode("utf-16-le"))
FIELDS_OF_BASE64 = {
    "a parameter without its semicolon": (
        b"Content-Type: text/html charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n"
    ),
    "a parameter without a value": (
        b"Content-Type: text/html; charset=utf-8; x\r\nContent-Transfer-Encoding: base64\r\n"
    ),
    "an unquoted file name": (
        b"Content-Disposition: inline; filename=a b.html\r\nContent-Transfer-Encoding: base64\r\n"
    ),
    "the encoding twice": (
        b"Content-Type: text/html\r\nContent-Transfer-Encoding:"
        b" base64\r\nContent-Transfer-Encoding: base64\r\n"
    ),
    "two types": (
        b"Content-Type: text/html\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding:"
        b" base64\r\n"
    ),
    "a quoted encoding": b'Content-Type: text/html\r\nContent-Transfer-Encoding: "base64"\r\n',
    "an encoding of two words": b"Content-Transfer-Encoding: base64 mime\r\n",
    "an encoding that nobody knows": b"Content-Transfer-Encoding: x-base64\r\n",
}


@pytest.mark.parametrize("code", [CODE, CODE.replace(b"\r\n", b""), WIDE_CODE])
@pytest.mark.parametrize("fields", FIELDS_OF_BASE64.values(), ids=FIELDS_OF_BASE64)
def test_a_placeholder_in_base64_that_a_reader_may_see_is_refused(
    fields: bytes, code: bytes
) -> None:
    """Catalogue N6: what the fields do not say for sure is read in every way."""
    with pytest.raises(PlaceholderUnusable, match=r"UNSUBSCRIBE"):
        filled(HEAD + fields + b"\r\n" + code)
    with pytest.raises(PlaceholderUnusable, match=r"UNSUBSCRIBE"):
        filled(HEAD + multipart(fields + b"\r\n" + code))


@pytest.mark.parametrize(
    "line", [b"X-F\xc3\xb6: 1", b"no field at all", b" folded at once", b"X : y"]
)
def test_so_is_one_in_a_part_whose_head_cannot_be_read(line: bytes) -> None:
    """Catalogue N6."""
    with pytest.raises(PlaceholderUnusable, match=r"UNSUBSCRIBE"):
        filled(
            HEAD
            + multipart(
                line
                + b"\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                + CODE
            )
        )


@pytest.mark.parametrize(
    "field",
    ["Subject", "From", "Sender", "To", "Cc", "Reply-To", "Organization", "Comments", "Keywords"],
)
def test_a_field_that_readers_see_is_not_filled_in(field: str) -> None:
    """Catalogue N6."""
    with pytest.raises(PlaceholderUnusable, match=f"stands in the {field} field"):
        filled(
            HEAD.replace(b"From", b"X-From")
            + f"{field}: a *|UNSUBSCRIBE|* <a@acme.example>\r\n\r\nx".encode()
        )


@pytest.mark.parametrize(
    "junk",
    [
        b"<" + b"a" * 4000,
        b"<a " * 1300,
        b"<a x='" * 800,
        b"<" + b"a " * 2000,
        b"<a href=" + b" " * 4000,
        b"<a" * 2000,
    ],
)
def test_what_stands_before_a_placeholder_is_read_in_linear_time(junk: bytes) -> None:
    """A thousand placeholders behind names without an end: hours, if each letter of a name were
    tried as its beginning.
    """
    with suppress(PlaceholderUnusable):
        filled(
            part(
                (junk + b"> *|UNSUBSCRIBE|* \r\n") * MAX_PLACEHOLDERS, "text/html", "base64x"
            ).replace(b"base64x", b"binary")
        )


@pytest.mark.parametrize(
    "mail",
    [
        part(base64.b64encode(b"hello") + b"!", encoding="base64"),
        part(b"=" * 5000, encoding="base64"),
        part(b"=zz=\r\n==", encoding="quoted-printable"),
        part(b"hello", encoding="x-uuencode"),
        part(b"hello", "multipart/mixed"),
        HEAD + multipart(b"no head\r\n\r\nunsubscribe_url"),
        part(b"x" * 5000),
    ],
)
def test_what_is_broken_and_holds_no_placeholder_passes(mail: bytes) -> None:
    """Catalogue H9, D9."""
    assert filled(mail) is None


@pytest.mark.parametrize("name", MAILS)
def test_no_sample_holds_a_placeholder(name: str) -> None:
    """Catalogue D17, H9: so all their copies share one body."""
    assert filled(MAILS[name]) is None


def test_a_line_may_be_filled_to_the_last_octet_and_no_further() -> None:
    """Catalogue X11: RFC 5322 2.1.1."""
    url_chars = 40
    room = MAX_LINE_OCTETS - url_chars
    fits, too_long = (
        parse(part(b"a\r\n" + b"x" * (count - 1) + PLACEHOLDER + b"y\r\nb"))
        for count in (room, room + 1)
    )

    plan = plan_body(fits, url_chars=url_chars)

    assert plan is not None
    assert MAX_LINE_OCTETS == max(
        map(len, plan.fill(dict.fromkeys(Placeholder, "u" * url_chars)).split(b"\r\n"))
    )
    with pytest.raises(PlaceholderUnusable):
        plan_body(too_long, url_chars=url_chars)


def test_placeholders_are_counted() -> None:
    """Catalogue X11: no copy grows without bound."""
    line = PLACEHOLDER + b"\r\n"

    assert filled(part(line * MAX_PLACEHOLDERS)) is not None
    with pytest.raises(PlaceholderUnusable):
        filled(part(line * (MAX_PLACEHOLDERS + 1)))
    with pytest.raises(PlaceholderUnusable):
        filled(part(b"|UNSUBSCRIBE|*" * (MOST_CANDIDATES + 1)))


def _steps(mail: bytes) -> int:
    message = parse(mail)

    def plan() -> None:
        with suppress(PlaceholderUnusable):
            plan_body(message, url_chars=200)

    return calls(plan)


@pytest.mark.parametrize("encoding", ["8bit", "quoted-printable", "base64"])
@pytest.mark.parametrize(
    "hostile",
    [
        b"*|",
        b"{",
        b"{{{ ",
        b"%",
        b"UNSUBSCRIBE",
        b"|UNSUBSCRIBE|*",
        b"*|UNSUBSCRIBE|",
        b"unsubscribe_url",
        b"{{{ pm:unsubscribe ",
        b"=\r\n",
        b"=41",
        b"&#42;",
        b"x=\r\n*|UNSUBSCRIBE|*\r\n",
    ],
)
def test_a_hostile_text_costs_steps_in_proportion_to_its_size(
    hostile: bytes, encoding: str
) -> None:
    """Catalogue X11, S7: a step is a call; most texts take the same few however long they are."""
    small, large = (hostile * (size // len(hostile)) for size in (250_000, 1_000_000))
    if encoding == "base64":
        small, large = base64.b64encode(small), base64.b64encode(large)

    few = _steps(part(small, "text/html", encoding))
    many = _steps(part(large, "text/html", encoding))

    assert many <= 4.5 * few + 100
    assert many < 2_000_000


def test_a_search_without_words_of_a_placeholder_takes_few_steps() -> None:
    """Catalogue D17: what most mails pay."""
    newsletter = b"<p>Unsubscribe at the bottom, 100% &amp; {{ more }} &#124; *</p>\r\n"

    def steps(count: int) -> int:
        return _steps(part(newsletter * count, "text/html", "quoted-printable"))

    assert steps(1_000) == steps(10) < 150
    assert steps(10_000) < 150  # a large text is decoded in pieces
