"""The books find what they are kept for: each kind of loss and doubling is put in by hand, and
stands in its account.
"""

from collections import Counter

from app.core.model import Source
from tests.chaos.books import Account, Seen, mails
from tests.chaos.mailers import Message
from tests.support.sink import Received

ANN, BOB = "ann@mail.example", "bob@mail.example"
BODY = b"Hello\r\n"


def message(*replies: str) -> Message:
    return Message(id="mail-1", recipients=(ANN, BOB), body=BODY, replies=list(replies))


def copy(recipient: str, *, body: bytes = BODY, link: str = "") -> Received:
    head = f"List-Unsubscribe: <https://a.example/u?qmoe={link or recipient}>\r\n\r\n".encode()
    return Received(
        connection=0, mail=b"", recipients=(f"RCPT TO:<{recipient}>".encode(),), wire=head + body
    )


def account(message: Message, *received: Received, name: str = "copies answered 250") -> Account:
    return next(one for one in mails([message], received, str) if one.name == name)


def test_one_copy_each_is_as_promised() -> None:
    found = mails([message("451 4.2.1 later", "250 2.0.0 ok")], [copy(ANN), copy(BOB)], str)

    assert [(2, 2), (2, 2), (1, 1)] == [(one.promised, one.kept) for one in found]
    assert [] == [line for one in found for line in one.wrong]


def test_a_copy_that_was_promised_and_never_came_is_found() -> None:
    found = account(message("250 2.0.0 ok"), copy(ANN))

    assert (2, 1, [f"{BOB}: answered 250, and no copy"]) == (
        found.promised,
        found.kept,
        found.wrong,
    )


def test_a_second_copy_is_wrong_unless_a_window_was_open_for_its_recipient() -> None:
    opened = message("250 2.0.0 ok")
    opened.open("relay killed", ANN)

    assert (1, []) == (
        (found := account(opened, copy(ANN), copy(ANN), copy(BOB))).again,
        found.wrong,
    )
    assert 1 == account(opened, copy(ANN), copy(ANN), copy(BOB), name="  after: relay killed").again
    assert [f"{BOB}: 2 copies of mail-1, tries ['250 2.0.0 ok']"] == account(
        opened, copy(ANN), copy(BOB), copy(BOB)
    ).wrong


def test_a_changed_body_and_a_strangers_link_are_found() -> None:
    found = account(
        message("250 2.0.0 ok"),
        copy(ANN, body=b"Hullo\r\n"),
        copy(BOB, link=ANN),
        name="copies as they came, with their own link",
    )

    assert [f"{ANN}: another body", f"{BOB}: a link of somebody else"] == found.wrong


def test_a_message_that_is_never_taken_is_found() -> None:
    assert ["mail-1: ['554 5.7.1 no']"] == account(message("554 5.7.1 no"), name="messages").wrong


def test_a_click_that_was_acknowledged_and_is_nowhere_is_found() -> None:
    seen = Seen(missing=frozenset([ANN]), histories={ANN: (), BOB: ()}, heard=Counter())

    found = seen.acts("clicks", [ANN, BOB], {ANN}, Source.LIST_UNSUBSCRIBE)

    assert (1, 0) == (found.promised, found.kept)
    assert [
        f"{ANN}: acknowledged, and subscribed",
        f"{ANN}: 0 changes in the history",
    ] == found.wrong
