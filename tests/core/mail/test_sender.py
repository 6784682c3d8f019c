"""Whom a From field speaks for decides brand and key, so it is read in one way or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MalformedMessage
from app.core.mail.message import from_domains
from app.core.mail.sender import MAX_FROM_BYTES


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        ("news@acme.example", {"acme.example"}),
        (" <news@ACME.Example> ", {"acme.example"}),
        ("Acme News <news@acme.example>", {"acme.example"}),
        ("John Q. Public <j@acme.example>", {"acme.example"}),
        ('"Doe, Jane" <jane@acme.example>', {"acme.example"}),
        ('"ceo@bank.example" <x@acme.example>', {"acme.example"}),
        ('"a \\" <ceo@bank.example>, b" <x@acme.example>', {"acme.example"}),
        ("(ceo@bank.example (nested \\) )) x@acme.example (end)", {"acme.example"}),
        ("=?utf-8?q?=3Cceo=40bank.example=3E?= <x@acme.example>", {"acme.example"}),
        ('"quoted local"@acme.example', {"acme.example"}),
        ("Acme [News] <news@acme.example>", {"acme.example"}),
        ("Acme, Inc. <news@acme.example>", {"acme.example"}),
        ("news@acme.example [News] <news@acme.example>", {"acme.example"}),
        ('first."sec ond".third@acme.example', {"acme.example"}),
        ("a@one.example, B <b@two.example>,, c@ONE.example", {"one.example", "two.example"}),
        ("Team: a@one.example, B <b@two.example>;", {"one.example", "two.example"}),
        ("новости@пример.example", {"xn--e1afmkfd.example"}),
        ("Bücher <a@bücher.example>", {"xn--bcher-kva.example"}),
        ("news@\uff41\uff43\uff4d\uff45.example", {"acme.example"}),
        (
            "Acme <news@\uff21\uff23\uff2d\uff25\u3002\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25>",
            {"acme.example"},
        ),
        ("Acme, Inc. <news@acme\uff0eexample>", {"acme.example"}),
        ("news@mail\uff61acme.example", {"mail.acme.example"}),
        ("news@mail_1.\uff41cme.example", {"mail_1.acme.example"}),
        ("news@r3---x.b\u00fccher\u3002example", {"r3---x.xn--bcher-kva.example"}),
        ("news@\uff38\uff2e--bcher-kva.example", {"xn--bcher-kva.example"}),
        ("Acme <news@mail.eu.acme.example> (Europe)", {"mail.eu.acme.example"}),
    ],
)
def test_all_mailboxes_of_from_count(value: str, domains: set[str]) -> None:
    assert frozenset(domains) == from_domains(value.encode())


def test_a_display_name_in_a_legacy_encoding_does_no_harm() -> None:
    assert frozenset({"acme.example"}) == from_domains(b"J\xfcrgen <j@acme.example>")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "news",
        "news@",
        "@acme.example",
        "Undisclosed:;",
        "ceo@bank.example <x@acme.example>",
        "ceo@bank.example [News] <news@acme.example>",
        "n@acme.example\u00a0.bank.example [x] <n@acme.example>",
        "n@acme.example\u3000@bank.example [x] <n@acme.example>",
        "Acme: News; daily @home <news@acme.example>",
        "Acme [News] <news@acme.example> (ceo@bank.example)",
        "<x@acme.example> ceo@bank.example",
        "<x@acme.example> <y@bank.example>",
        "<x@acme.example",
        "x@acme.example>",
        "x@acme.example@bank.example",
        "x@acme.example.",
        "x@acme..example",
        "x@[192.0.2.1]",
        "<@route.example:x@acme.example>",
        "<@a.example,@b.example:x@acme.example>",
        "x@acme (comment) .example",
        "x@acme .example",
        "x y@acme.example",
        "x@acme.example (open",
        "x@acme.example) ",
        '"open <x@acme.example>',
        "x@acme.example\\",
        "x@acme.example\x01",
        "x@acme.example, ,garbage",
        "Team: a@acme.example",
        "Team: Inner: a@acme.example;;",
        "a@acme.example;",
        "x@-acme.example",
        "x@ac\u200bme.ex\u202eample",
        "x＠acme.example",
        "x@acme.example\u3002",
        "x@acme\u3002\u3002example",
        "x@\u3002acme.example",
        "x@\uff41\uff0fcme.example",
        "x@-\uff41cme.example",
        "x@acme.example＠bank.example",
    ],
)
def test_a_from_that_could_be_read_otherwise_is_refused(value: str) -> None:
    """Catalogue D9, S4."""
    with pytest.raises(MalformedMessage):
        from_domains(value.encode())


def test_a_domain_that_is_not_utf_8_is_refused() -> None:
    """Catalogue D9."""
    with pytest.raises(MalformedMessage):
        from_domains(b"x@b\xfccher.example")


@pytest.mark.parametrize(
    "value",
    [
        b"(" * MAX_FROM_BYTES,
        b"a@b.example," * 200,
        b"x " * 1500,
        b"(" * 1000 + b")" * 1000 + b"x" * 100,
    ],
)
def test_a_hostile_from_is_refused(value: bytes) -> None:
    """Catalogue D9."""
    with pytest.raises(MalformedMessage):
        from_domains(value)


@given(st.text(alphabet='a@.<>,:;"\\() é[]', max_size=40))
def test_any_from_has_domains_or_is_refused(value: str) -> None:
    """Catalogue D9."""
    try:
        domains = from_domains(value.encode())
    except MalformedMessage:
        return

    assert domains
    assert all(domain and "@" not in domain and domain == domain.lower() for domain in domains)
