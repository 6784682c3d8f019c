"""What the compliance check finds, and what it does not. Each rule of the table has a mail that
breaks it.
"""

import base64
from pathlib import Path

import pytest

from app.core.mail import lint
from app.core.mail.inbound_parts import entity
from app.core.mail.lint import copies, fields, intake, signature
from app.core.mail.lint.rules import RULES, Finding
from app.core.mail.lint.signature import SignatureReport, organisation

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
URL = "https://unsubscribe.example.com/u?qmoe=AQEBAAH0v5yP"
LU = f"List-Unsubscribe: <{URL}>,\r\n <mailto:u-abc@in.example.com>\r\n"
LUP = "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
HEAD = (
    "From: Acme News <news@acme.example>\r\nTo: ann@example.net\r\nSubject: Spring\r\n"
    "Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <s1@acme.example>\r\n"
)
BODY = "\r\nHello Ann.\r\n\r\nUnsubscribe: https://acme.example/leave/x1\r\n"
COVERED = (
    "from",
    "to",
    "list-unsubscribe",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "list-unsubscribe-post",
)
GOOD_SIGNATURE = SignatureReport(
    domain="acme.example", selector="s1", algorithm="rsa-sha256", signed=COVERED, valid=True, key_bits=2048
)  # fmt: skip


def mail(*, lu: str = LU, lup: str = LUP, head: str = HEAD, body: str = BODY) -> bytes:
    return (head + lu + lup + body).encode("utf-8", "surrogateescape")


def codes(octets: bytes, *signatures: SignatureReport) -> list[str]:
    return [finding.code for finding in lint.judge(octets, signatures or (GOOD_SIGNATURE,))]


def test_a_mail_as_the_relay_makes_it_has_no_finding() -> None:
    """Catalogue H1-H8, D1."""
    assert codes(mail()) == []


@pytest.mark.parametrize(
    ("lu", "code"),
    [
        ("", "lu-missing"),
        (LU + LU, "lu-repeated"),
        (f"List-Unsubscribe: <{URL}> (our list)\r\n", "lu-malformed"),
        (f"List-Unsubscribe: {URL}\r\n", "lu-malformed"),
        ("List-Unsubscribe: =?utf-8?q?=3Chttps=3A=3E?=\r\n", "lu-encoded"),
        (
            "List-Unsubscribe: <https://unsubscribe.example.com/u?\r\n qmoe=AQ>\r\n",
            "lu-folded-inside",
        ),
        (f"List-Unsubscribe:\r\n <{URL}>\r\n", "lu-first-line-empty"),
        (f"List-Unsubscribe: <https://unsubscribe.example.com/{'a' * 980}>\r\n", "lu-line-long"),
        ("List-Unsubscribe: <mailto:leave@acme.example>\r\n", "lu-no-https"),
        ("List-Unsubscribe: <http://unsubscribe.example.com/u>\r\n", "lu-no-https"),
        (f"List-Unsubscribe: <mailto:leave@acme.example>, <{URL}>\r\n", "lu-https-not-first"),
        (f"List-Unsubscribe: <{URL}>, <{URL}2>\r\n", "lu-several-https"),
        (
            f"List-Unsubscribe: <{URL}>, <mailto:a@acme.example>, <mailto:b@acme.example>\r\n",
            "lu-several-mailto",
        ),
        ("List-Unsubscribe: <https://unsubscribe.example.com/a,b;c>\r\n", "lu-uri-characters"),
        (f"List-Unsubscribe: <https://unsubscribe.example.com/{'a' * 240}>\r\n", "lu-uri-long"),
        ("List-Unsubscribe: <https://localhost/u>\r\n", "lu-host-not-public"),
        ("List-Unsubscribe: <https://10.0.0.1/u>\r\n", "lu-host-not-public"),
        (
            "List-Unsubscribe: <https://unsubscribe.example.com/u?e=Ann%40Example.net>\r\n",
            "lu-address-in-url",
        ),
        (
            (
                "List-Unsubscribe:"
                f" <https://x.example.com/{base64.b64encode(b'ann@example.net').decode()}>\r\n"
            ),
            "lu-address-in-url",
        ),
        (
            f"List-Unsubscribe: <https://x.example.com/{b'ann@example.net'.hex()}>\r\n",
            "lu-address-in-url",
        ),
    ],
)
def test_a_list_unsubscribe_that_breaks_a_rule_is_named(lu: str, code: str) -> None:
    """Catalogue H1, H2, H4, H5, H6, H7, H8, T2."""
    assert code in codes(mail(lu=lu))


@pytest.mark.parametrize(
    ("lup", "code"),
    [
        ("", "lup-missing"),
        (LUP + LUP, "lup-repeated"),
        ("List-Unsubscribe-Post: list-unsubscribe=one-click\r\n", "lup-value"),
        ("List-Unsubscribe-Post: List-Unsubscribe=One-Click;\r\n", "lup-value"),
    ],
)
def test_a_list_unsubscribe_post_that_breaks_a_rule_is_named(lup: str, code: str) -> None:
    """Catalogue H3."""
    assert codes(mail(lup=lup)) == [code]


def report(**changes: object) -> SignatureReport:
    known = {name: getattr(GOOD_SIGNATURE, name) for name in SignatureReport.__slots__}
    return SignatureReport(**(known | changes))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"valid": False, "reason": "body hash"}, "dkim-invalid"),
        ({"valid": None, "reason": "no answer"}, "dkim-unverified"),
        ({"signed": ("from", "list-unsubscribe", "list-unsubscribe")}, "dkim-not-covering"),
        ({"signed": ("from", "list-unsubscribe", "list-unsubscribe-post")}, "dkim-not-oversigned"),
        ({"domain": "other.example"}, "dkim-not-aligned"),
        ({"has_length": True}, "dkim-body-length"),
        ({"algorithm": "rsa-sha1"}, "dkim-weak-hash"),
        ({"key_bits": 1024}, "dkim-short-key"),
        ({"expired": True}, "dkim-expired"),
        ({"testing": True}, "dkim-testing"),
    ],
)
def test_a_signature_that_breaks_a_rule_is_named(changes: dict[str, object], code: str) -> None:
    """Catalogue D1, D2, D4, D6."""
    assert codes(mail(), report(**changes)) == [code]


def test_no_signature_is_a_problem() -> None:
    assert [finding.code for finding in lint.judge(mail(), ())] == ["dkim-missing"]


@pytest.mark.parametrize("swap", [False, True])
def test_a_signature_that_covers_and_one_that_is_aligned_need_not_be_the_same(swap: bool) -> None:
    """Catalogue N15: RFC 8058 4 asks for any valid covering one, DMARC for any aligned one, in
    either order.
    """
    brand, esp = report(signed=("from", "to")), report(domain="esp.example")
    both = (esp, brand) if swap else (brand, esp)

    assert codes(mail(), *both) == []
    assert "dkim-not-covering" in codes(
        mail(), brand, report(domain="esp.example", valid=False, reason="body hash")
    )
    assert "dkim-not-covering" in codes(mail(), brand, report(domain="esp.example", key_bits=512))
    assert "dkim-not-aligned" in codes(
        mail(), esp, report(signed=("from",), valid=False, reason="body hash")
    )


def test_one_good_signature_among_others_is_enough() -> None:
    foreign = report(domain="esp.example", valid=False, reason="changed on the way")

    assert codes(mail(), foreign, GOOD_SIGNATURE) == []


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("acme.example", "acme.example"),
        ("news.mail.acme.example", "acme.example"),
        ("news.acme.co.uk", "acme.co.uk"),
        ("acme.co.uk", "acme.co.uk"),
        ("mail.acme.de", "acme.de"),
    ],
)
def test_alignment_looks_at_what_an_organisation_registered(domain: str, expected: str) -> None:
    assert organisation(domain) == expected


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (mail(body="\r\nHello Ann.\r\n"), "body-no-link"),
        (mail(body="\r\nUnsubscribe by writing to us.\r\n"), "body-no-link"),
        (
            mail(body="\r\nUnsubscribe: *|UNSUBSCRIBE|* https://acme.example/x\r\n"),
            "placeholder-left",
        ),
        (
            mail(body="\r\nUnsubscribe: {{amazonSESUnsubscribeUrl}} https://acme.example/x\r\n"),
            "placeholder-left",
        ),
        (
            mail(
                body="\r\nUnsubscribe: <%asm_group_unsubscribe_raw_url%> https://acme.example/x\r\n"
            ),
            "placeholder-left",
        ),
        (
            mail(body="\r\nUnsubscribe: %tag_unsubscribe_url% https://acme.example/x\r\n"),
            "placeholder-left",
        ),
        (
            mail(body="\r\nUnsubscribe: {{{ pm:unsubscribe }}} https://acme.example/x\r\n"),
            "placeholder-left",
        ),
        (mail(head=HEAD + "Subject: Again\r\n"), "field-repeated"),
        (mail(head=HEAD.replace("Date:", "X-Date:")), "field-missing"),
        (mail(head=HEAD.replace("Message-ID:", "X-Id:")), "message-id-missing"),
        (
            mail(head=HEAD + "".join(f"X-{n}: {'a' * 990}\r\n" for n in range(600))),
            "head-too-large",
        ),
        (mail(head=HEAD + "".join(f"X-{n}: a\r\n" for n in range(5100))), "head-too-large"),
        (mail(head=HEAD + "X-Long: " + "a\r\n " * 9000 + "\r\n"), "field-too-long"),
        (mail(head=HEAD.replace("Subject: Spring", "Subject: " + "a" * 1000)), "field-too-long"),
        (mail(body=BODY + "a" * 999 + "\r\n"), "line-too-long"),
        (mail(head=HEAD + "List-Id: news\r\n"), "list-id-malformed"),
        (mail(head=HEAD + "Feedback-ID: a:b:c:d\r\n"), "feedback-id-malformed"),
    ],
)
def test_a_message_that_breaks_a_rule_is_named(octets: bytes, code: str) -> None:
    """Catalogue H14, H15, H16, H17."""
    assert code in codes(octets)


@pytest.mark.parametrize(
    "body",
    [
        "\r\nAbbestellen: https://acme.example/weg\r\n",
        "\r\nPour vous désabonner : https://acme.example/partir\r\n",
        "\r\nhttps://acme.example/unsubscribe?x=1\r\n",
    ],
)
def test_a_link_counts_in_other_languages_and_by_its_own_words(body: str) -> None:
    assert codes(mail(body=body)) == []


def test_a_link_in_html_counts_by_its_label() -> None:
    head = HEAD + "Content-Type: text/html; charset=utf-8\r\n"

    assert (
        codes(
            mail(
                head=head,
                body=(
                    '\r\n<p>Hi</p><a class="x" href="https://acme.example/x1">Manage'
                    " preferences</a>\r\n"
                ),
            )
        )
        == []
    )


@pytest.mark.parametrize(
    "octets", [b"", b"\0\1\2" * 100, b"hello world\r\n", b"\r\n" * 100, b"GIF89a" + bytes(5000)]
)
def test_what_is_no_mail_is_called_so(octets: bytes) -> None:
    assert codes(octets) == ["not-a-mail"]


@pytest.mark.parametrize(
    "octets", [b"<a " * 200_000, b"http://x " * 100_000, b"*|" * 300_000, b"=?" * 300_000], ids=len
)
def test_hostile_text_is_judged_all_the_same(octets: bytes) -> None:
    assert "body-no-link" in codes(
        HEAD.encode() + b"Content-Type: text/html\r\n" + (LU + LUP).encode() + b"\r\n" + octets
    )


@pytest.mark.parametrize("sample", sorted(SAMPLES.rglob("*.eml")), ids=lambda path: path.stem)
def test_every_sample_can_be_judged(sample: Path) -> None:
    for octets in intake.messages(sample.read_bytes()):
        assert all(finding.rule for finding in lint.judge(octets, ()))


@pytest.mark.parametrize(
    ("sample", "expected"),
    [
        ("good", set()),
        ("nothing", {"lu-missing", "lup-missing"}),
        ("mailto_only", {"lu-no-https", "lup-missing"}),
        ("post_value", {"lup-value"}),
        ("encoded_word", {"lu-encoded", "lu-no-https"}),
        ("twice", {"lu-repeated", "lu-several-https"}),
        ("address_in_url", {"lu-address-in-url"}),
        ("placeholder", {"placeholder-left", "body-no-link"}),
        ("ses_style", {"lu-https-not-first"}),
        ("sendgrid_style", set()),
    ],
)
def test_the_samples_have_just_what_they_are_named_after(sample: str, expected: set[str]) -> None:
    (octets,) = intake.messages((SAMPLES / "check" / f"{sample}.eml").read_bytes())

    assert set(codes(octets)) == expected


def test_one_url_in_two_recipients_copies_is_a_problem() -> None:
    """Catalogue H11."""
    other = mail(head=HEAD.replace("ann@", "bob@"))

    assert [
        (name, finding.code) for name, finding in copies.compare({"a": mail(), "b": other})
    ] == [("b", "url-shared")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "Delivered-To: yan@x.example\r\nTo: yan@x.example",
            "Delivered-To: yan@x.example\r\nTo: Y",
        ),
        ("To: yan@x.example", "To: Yan <YAN@x.example>"),
        ("To: yan@x.example, list@x.example", "To: <list@x.example>,\r\n Yan <yan@x.example>"),
        ("Delivered-To: yan@x.example\r\nDelivered-To: a@x.example", "Delivered-To: yan@x.example"),
    ],
)
def test_one_recipient_in_two_spellings_is_one(one: str, other: str) -> None:
    """Catalogue H11."""
    first, second = (
        mail(head=HEAD.replace("To: ann@example.net", fields)) for fields in (one, other)
    )
    assert first != second

    assert [] == list(copies.compare({"a": first, "b": second}))


def test_the_same_copy_twice_and_urls_of_their_own_are_none() -> None:
    other = mail(head=HEAD.replace("ann@", "bob@"), lu=LU.replace("qmoe=AQ", "qmoe=BQ"))

    assert list(copies.compare({"a": mail(), "again": mail(), "b": other})) == []


def test_a_pasted_source_view_is_read() -> None:
    pasted = (
        "Original Message\nMessage ID\t<s1@acme.example>\nSPF:\tPASS\nDKIM:\t'PASS'\n\nDownload"
        " Original\nCopy to clipboard\n\n"
        + mail().decode().replace("\r\n", "\n").replace("<", "&lt;").replace(">", "&gt;")
    )

    (octets,) = intake.messages(pasted.encode())

    assert codes(octets) == []


def test_an_mbox_holds_several() -> None:
    one = mail(body="\r\n>From here on: unsubscribe at https://acme.example/x\r\n").replace(
        b"\r\n", b"\n"
    )
    box = b"From news@acme.example Mon Mar  2 09:00:00 2026\n" + one + b"\n"

    found = intake.messages(box + box)

    assert len(found) == 2
    assert b"\r\nFrom here on" in found[0]


def test_every_rule_says_why_and_how_and_no_finding_is_without_one() -> None:
    assert all(rule.why.endswith(".") and rule.how.endswith(".") for rule in RULES.values())
    assert Finding("lu-missing", "x").rule is RULES["lu-missing"]
    assert {name for name in RULES if name.startswith("dkim")} >= {
        finding.code for finding in signature.judge(entity(mail()), ())
    }


def test_white_space_in_uris_is_dropped() -> None:
    assert fields.one_click_uris(entity(mail(lu=f"List-Unsubscribe: < {URL} >\r\n"))) == [URL]


@pytest.mark.parametrize(
    "junk",
    [b"a" * 90_000, b"a@" * 45_000, b"<" * 90_000, b"a@b.example, " * 7_000, b'"' + b"a " * 45_000],
)
@pytest.mark.parametrize("field", [b"To", b"List-Unsubscribe", b"Delivered-To", b"Subject"])
def test_no_field_is_read_in_more_than_linear_time(field: bytes, junk: bytes) -> None:
    """Catalogue N15: hours, if each letter of a name were tried as its beginning."""
    octets = (
        b"From: a@acme.example\r\nList-Unsubscribe: <https://x.example/u>\r\n"
        + field
        + b": "
        + junk
        + b"\r\n\r\nx\r\n"
    )

    assert lint.judge(octets, None)
