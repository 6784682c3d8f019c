"""Mails that unsubscribe, by a real SMTP conversation against a real Valkey: the M vectors of
docs/requirements.md.
"""

import base64
import quopri
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.groups import group_key
from app.core.model import NO_CAMPAIGN, GroupId, Purpose, Source
from tests.support.inbox import Inbox
from tests.support.people import BRAND, CAMPAIGN, CODEC, DOMAIN, Person, mail, person

SAMPLES = Path(__file__).parents[1] / "corpus/inbound"
FORWARD_BOX = f"unsubscribe-DC01@{DOMAIN}"
ACCEPTED = "250 2.0.0 Accepted as "


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
async def test_an_empty_mail_to_the_address_of_a_copy_unsubscribes(
    inbox: Inbox, spelling: Callable[[str], str]
) -> None:
    """Catalogue M1, T6: vector M-1. What Gmail sends is empty but for the address."""
    ann = person()

    reply = await inbox.takes(b"\r\n", spelling(ann.box))

    assert reply.startswith(ACCEPTED)
    (event,) = await inbox.events(ann)
    assert await inbox.left(ann)
    assert (event.statement.source, event.statement.campaign, event.statement.key_id) == (
        Source.MAILTO,
        NO_CAMPAIGN,
        1,
    )
    assert event.statement.sealed_address == b""


async def test_apples_mail_with_an_empty_subject_and_its_own_words_tells_the_address_too(
    inbox: Inbox,
) -> None:
    """Catalogue M1, M4: the address of From is kept when its digest is the token's."""
    ann = person()

    await inbox.takes(
        mail("I no longer wish to receive these emails.", to=ann.box, author=ann.address), ann.box
    )

    (event,) = await inbox.events(ann)
    assert CODEC.unseal_address(event.statement.sealed_address, brand=BRAND) == ann.address


AUTOMATIC = {
    "Apple": "Auto-Submitted: auto-replied\r\nX-Apple-Unsubscribe: true\r\n",
    "auto-replied with parameters": "Auto-Submitted: auto-replied; owner-email=ann@example.net\r\n",
    "auto-generated": "Auto-Submitted: auto-generated\r\n",
    "auto-notified": "Auto-Submitted: auto-notified\r\n",
    "Exchange": "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply\r\n",
    "bulk": "Precedence: bulk\r\n",
    "junk": "Precedence: junk\r\n",
    "a corporate gateway": (
        "List-Unsubscribe: <mailto:leave@corp.example>\r\nList-Id: <all.corp.example>\r\n"
    ),
}
OF_AUTORESPONDERS = {
    "auto_reply": "Precedence: auto_reply\r\n",
    "X-Autoreply": "X-Autoreply: yes\r\n",
    "an answer": (
        "Auto-Submitted: auto-replied\r\nIn-Reply-To: <1@acme.example>\r\nReferences:"
        " <1@acme.example>\r\n"
    ),
}


@pytest.mark.parametrize("software", [*AUTOMATIC, *OF_AUTORESPONDERS])
async def test_mail_to_the_address_of_a_copy_is_a_request_whatever_automatic_fields_it_carries(
    inbox: Inbox, software: str
) -> None:
    """Catalogue M2: nobody can guess the address, and nothing has it as its sender."""
    ann = person()

    reply = await inbox.takes(
        mail(
            subject="unsubscribe", fields={**AUTOMATIC, **OF_AUTORESPONDERS}[software], to=ann.box
        ),
        ann.box,
    )

    assert reply.startswith(ACCEPTED)
    assert await inbox.left(ann)


async def test_the_mail_of_apples_button_unsubscribes(inbox: Inbox) -> None:
    """Catalogue M2: octet for octet, but for the token."""
    ann = person()
    content = (
        (SAMPLES / "apple.eml").read_bytes().replace(b"u-TOKEN@in.acme.example", ann.box.encode())
    )

    reply = await inbox.takes(content, ann.box, sender=ann.address)

    assert reply.startswith(ACCEPTED)
    assert await inbox.left(ann)


@pytest.mark.parametrize("software", AUTOMATIC)
@pytest.mark.parametrize("prefix", ["", "Fwd: ", "WG: [EXTERN] "])
async def test_automatic_fields_are_normal_in_the_forward_box(
    inbox: Inbox, software: str, prefix: str
) -> None:
    """Catalogue M2: a rule of the brand's mailbox hands on what Apple's button and others wrote,
    and adds its own.
    """
    ann = person()

    await inbox.takes(
        mail(subject=f"{prefix}{ann.subject}", fields=AUTOMATIC[software]), FORWARD_BOX
    )

    assert await inbox.left(ann)


async def test_a_request_that_apples_button_wrote_may_be_attached_in_the_forward_box(
    inbox: Inbox,
) -> None:
    """Catalogue M2, M5."""
    ann = person()

    await inbox.takes(attached(mail(subject=ann.subject, fields=AUTOMATIC["Apple"])), FORWARD_BOX)

    assert await inbox.left(ann)


async def test_the_full_token_of_the_subject_completes_the_short_one_of_the_address(
    inbox: Inbox,
) -> None:
    """Catalogue M1: campaign, address, and a scope of more groups than an address can hold."""
    ann = person(groups=(GroupId("a"), GroupId("b"), GroupId("c")))

    await inbox.takes(mail(subject=ann.subject, to=ann.box), ann.box)

    (event,) = await inbox.events(ann)
    state = await inbox.state(ann)
    assert event.statement.campaign == CAMPAIGN
    assert CODEC.unseal_address(event.statement.sealed_address, brand=BRAND) == ann.address
    assert state.everything.subscribed
    assert {key for key, said in state.groups.items() if not said.subscribed} == {
        group_key(GroupId(name)) for name in "abc"
    }


async def test_a_mail_leaves_only_the_groups_of_its_campaign(inbox: Inbox) -> None:
    """Catalogue M1: and a second address with another scope says something else."""
    ann = person(groups=(GroupId("news"),))

    await inbox.takes(b"\r\n", ann.box)

    state = await inbox.state(ann)
    assert state.everything.subscribed
    assert not state.groups[group_key(GroupId("news"))].subscribed


async def test_when_address_and_subject_name_different_people_the_envelope_decides(
    inbox: Inbox,
) -> None:
    """Catalogue M1, M4."""
    ann, bob = person(), person()

    await inbox.takes(mail(subject=bob.subject, to=ann.box), ann.box)

    assert (await inbox.left(ann), await inbox.left(bob)) == (True, False)


async def test_each_recipient_of_one_mail_is_obeyed(inbox: Inbox) -> None:
    ann, bob = person(), person()

    await inbox.takes(b"\r\n", ann.box, bob.box)

    assert (await inbox.left(ann), await inbox.left(bob)) == (True, True)


@pytest.mark.parametrize(
    "field", ["Delivered-To: <{}>", "X-Original-To: {}", "To: Leave <{}>, other@example.net"]
)
async def test_the_address_is_found_in_the_fields_when_the_envelope_has_lost_it(
    inbox: Inbox, field: str
) -> None:
    """Catalogue M1."""
    ann = person()

    await inbox.takes(f"From: x@example.net\r\n{field.format(ann.box)}\r\n\r\n".encode())

    assert await inbox.left(ann)


def q_words(text: str) -> str:
    """Return the text as two Q-encoded words on two lines."""
    halves = (
        quopri.encodestring(half.encode(), header=True).replace(b"=\n", b"")
        for half in (text[:50], text[50:])
    )
    return "\r\n ".join(f"=?utf-8?Q?{half.decode()}?=" for half in halves)


def b_words(text: str) -> str:
    """Return the text as two B-encoded words on two lines."""
    first, second = (base64.b64encode(half.encode()).decode() for half in (text[:51], text[51:]))
    return f"=?UTF-8?B?{first}?=\r\n\t=?UTF-8?B?{second}?="


SUBJECTS: dict[str, Callable[[Person], str]] = {
    "M-2": lambda who: f"Re: {who.subject}",
    "M-3": lambda who: q_words(who.subject),
    "M-4": lambda who: b_words(who.subject),
    "M-5": lambda who: f"{who.subject[:60]}\r\n {who.subject[60:]}",
    "M-6": lambda who: f"Fwd: [EXTERNAL] AW: unsubscribe {who.token}",
    "M-8 brackets": lambda who: f"Unsubscribe <{who.token}>",
    "M-8 period": lambda who: f"{who.subject}.",
    "plus": lambda who: who.subject.replace(" ", "+"),
    "trailing words": lambda who: f"{who.subject} please stop",
}


@pytest.mark.parametrize("vector", SUBJECTS)
async def test_the_token_of_a_subject_is_found_whatever_a_client_made_of_it(
    inbox: Inbox, vector: str
) -> None:
    """Catalogue M1, M7: vectors M-2 to M-6, M-8."""
    ann = person()

    await inbox.takes(mail(subject=SUBJECTS[vector](ann)))

    (event,) = await inbox.events(ann)
    assert await inbox.left(ann)
    assert (event.statement.source, event.statement.campaign) == (Source.MAILTO, CAMPAIGN)


async def test_the_token_of_a_wrapped_page_is_found(inbox: Inbox) -> None:
    """Catalogue M1, M7: vector M-7. The only part is HTML, quoted-printable, wrapped at 76."""
    ann = person()
    page = quopri.encodestring(
        f'<html><body><p style="x=y">Please remove me.</p><p>{"x" * 50}'
        f" {ann.token}</p></body></html>".encode()
    )
    fields = (
        "MIME-Version: 1.0\r\nContent-Type: text/html;"
        ' charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
    )

    await inbox.takes(mail(page.decode().replace("\n", "\r\n"), fields=fields))

    assert await inbox.left(ann)


async def test_the_token_of_a_plain_text_is_found(inbox: Inbox) -> None:
    """Catalogue M1: a client that puts the subject into the text."""
    ann = person()

    await inbox.takes(mail(f"Hello,\r\n{ann.subject}\r\n-- \r\nAnn\r\n", subject="unsubscribe"))

    assert await inbox.left(ann)


async def test_the_seal_is_the_authority_whoever_sends(inbox: Inbox) -> None:
    """Catalogue M4: Ann's token from Bob's address unsubscribes Ann, and Bob's address is kept
    nowhere.
    """
    ann, bob = person(), person()

    await inbox.takes(mail(subject=ann.subject, author=bob.address), sender=bob.address)

    (event,) = await inbox.events(ann)
    assert (await inbox.left(ann), await inbox.left(bob)) == (True, False)
    assert CODEC.unseal_address(event.statement.sealed_address, brand=BRAND) == ann.address


@pytest.mark.parametrize(
    "auto",
    [
        "",
        "Auto-Submitted: auto-generated\r\n",
        "List-Id: <unsubscribe.acme.example>\r\nPrecedence: list\r\n",
    ],
)
async def test_what_a_self_managed_brand_forwards_by_itself_is_obeyed(
    inbox: Inbox, auto: str
) -> None:
    """Catalogue M5: its rule or its mailing list may mark the mail as generated (MoEngage's
    documents).
    """
    ann = person()
    subject = ann.subject.replace(ann.token, ann.token_for(Purpose.CALLBACK | Purpose.MAILTO))

    await inbox.takes(
        mail(subject=subject, fields=auto, to="unsubscribe@acme.example", author=ann.address),
        FORWARD_BOX,
    )

    (event,) = await inbox.events(ann)
    assert await inbox.left(ann)
    assert event.statement.source is Source.MAILTO


def attached(*mails: bytes) -> bytes:
    """Return a mail with these inside."""
    parts = b"".join(
        b"--b\r\nContent-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n"
        + one
        + b"\r\n"
        for one in mails
    )
    head = b"From: <care@acme.example>\r\nSubject: Fwd: some requests\r\nMIME-Version: 1.0\r\n"
    return (
        head
        + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nsee below\r\n"
        + parts
        + b"--b--\r\n"
    )


def quoted(original: bytes) -> bytes:
    """Return a mail that forwards another one inline, each line behind a mark and cut at 76."""
    text = original.decode().replace("\r\n", "\n")
    lines = [
        line[at : at + 74] for line in text.split("\n") for at in range(0, max(len(line), 1), 74)
    ]
    return mail(
        "FYI\r\n\r\n" + "".join(f"> {line}\r\n" for line in lines), subject="Fwd: Unsubscribe"
    )


async def test_mails_inside_a_forwarded_mail_count_in_the_forward_box_only(inbox: Inbox) -> None:
    """Catalogue M5: vector M-9, with several requests in one mail."""
    ann, bob, carl = person(), person(), person()
    content = attached(mail(subject=ann.subject), mail(bob.subject), mail(to=carl.box))

    await inbox.takes(content)
    at_the_root = [await inbox.left(who) for who in (ann, bob, carl)]
    await inbox.takes(content, FORWARD_BOX)

    assert at_the_root == [False, False, False]
    assert [await inbox.left(who) for who in (ann, bob, carl)] == [True, True, True]


async def test_quoted_mail_counts_in_the_forward_box_only(inbox: Inbox) -> None:
    """Catalogue M5: vector M-10."""
    ann, bob = person(), person()

    for box in (f"unsubscribe@{DOMAIN}", FORWARD_BOX):
        before = (await inbox.left(ann), await inbox.left(bob))
        await inbox.takes(quoted(mail(subject=ann.subject)), box)
        await inbox.takes(quoted(mail(to=bob.box)), box)

    assert before == (False, False)
    assert (await inbox.left(ann), await inbox.left(bob)) == (True, True)


async def test_a_test_send_changes_nothing_by_either_token(inbox: Inbox) -> None:
    """Catalogue H12."""
    ann = person(test=True)

    replies = [await inbox.takes(mail(subject=ann.subject)), await inbox.takes(b"\r\n", ann.box)]

    assert all(reply.startswith(ACCEPTED) for reply in replies)
    assert await inbox.events(ann) == []


async def test_a_mail_that_comes_again_causes_no_second_event(inbox: Inbox) -> None:
    """Catalogue M6."""
    ann = person()

    for _ in range(3):
        await inbox.takes(mail(subject=ann.subject), ann.box)

    assert len(await inbox.events(ann)) == 1
