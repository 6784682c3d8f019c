"""What the interfaces of services answer, saved as it came: one person or many, on one line or over
several.
"""

import json

import pytest

from app.core.lists.reader import Entry, ListReader
from app.core.lists.records import RecordReader

TOPICS = [
    {"TopicName": "News", "SubscriptionStatus": "OPT_OUT"},
    {"TopicName": "Offers", "SubscriptionStatus": "OPT_IN"},
]
CONTACT = {
    "ContactListName": "all",
    "EmailAddress": "ann@x.com",
    "TopicPreferences": TOPICS,
    "UnsubscribeAll": False,
}
HUBSPOT = {
    "recipient": "ann@x.com",
    "subscriptionStatuses": [
        {"id": "7", "name": "News", "status": "NOT_SUBSCRIBED", "legalBasis": None},
        {
            "id": "8",
            "name": "Offers",
            "status": "SUBSCRIBED",
            "legalBasis": "LEGITIMATE_INTEREST_CLIENT",
        },
    ],
}


def read(content: str, size: int = 1 << 20) -> list[Entry]:
    records, reader = RecordReader(), ListReader()
    pieces = [content.encode()[at : at + size] for at in range(0, len(content.encode()), size)]
    whole = [*(record for piece in pieces for record in records.feed(piece)), *records.end()]
    return [entry for record in whole if (entry := reader.read(record)) is not None]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 0, 4])
@pytest.mark.parametrize(
    ("answer", "groups"),
    [
        (CONTACT, ("News",)),
        (dict(sorted(CONTACT.items(), reverse=True)), ("News",)),
        (HUBSPOT, ("News", "7")),
        (
            {
                "SuppressedDestination": {
                    "EmailAddress": "ann@x.com",
                    "Reason": "COMPLAINT",
                    "LastUpdateTime": "2026-01-02T03:04:05Z",
                }
            },
            (),
        ),
    ],
    ids=["SES contact", "SES contact, other order", "HubSpot", "SES suppressed destination"],
)
def test_the_answer_about_one_person_is_one_entry(
    answer: object, groups: tuple[str, ...], indent: int | None, size: int
) -> None:
    """Catalogue N1."""
    (entry,) = read(json.dumps(answer, indent=indent), size)

    assert "" == entry.problem
    assert ("ann@x.com", (groups,) if groups else ()) == (entry.address, entry.groups)
    assert not entry.subscribed


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_answers_one_behind_the_other_are_read_one_by_one(size: int) -> None:
    """Catalogue N1: as a loop over people writes them into one file."""
    content = "\n".join(
        json.dumps(CONTACT | {"EmailAddress": f"{name}@x.com"}, indent=2)
        for name in ("ann", "bob", "cid")
    )

    assert ["ann@x.com", "bob@x.com", "cid@x.com"] == [
        entry.address for entry in read(content, size)
    ]


def test_an_answer_that_is_cut_off_says_so_and_keeps_what_came_before() -> None:
    """Catalogue N1."""
    content = json.dumps(CONTACT, indent=2) + "\n" + json.dumps(CONTACT, indent=2)[:-20]

    first, second = read(content)

    assert (("News",),) == first.groups
    assert "nothing behind this was read" in second.problem


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_deep_in_an_answer_is_found_and_its_end_is_understood(indent: int | None) -> None:
    """Catalogue N1: listmonk's `data.results`."""
    lists = [{"id": 3, "name": "News", "subscription_status": "unsubscribed"}]
    people = [
        {
            "id": 1,
            "uuid": "u1",
            "email": "ann@x.com",
            "status": "enabled",
            "attribs": {"opted_in": "maybe"},
            "lists": lists,
        },
        {
            "id": 2,
            "uuid": "u2",
            "email": "bob@x.com",
            "status": "blocklisted",
            "attribs": {},
            "lists": [],
        },
    ]

    entries = read(json.dumps({"data": {"results": people, "total": 2, "page": 1}}, indent=indent))

    assert ["", ""] == [entry.problem for entry in entries]
    assert [("ann@x.com", (("News", "3"),)), ("bob@x.com", ())] == [
        (entry.address, entry.groups) for entry in entries
    ]


def test_whoever_is_suppressed_has_left_though_they_once_consented() -> None:
    """Catalogue N1: Klaviyo keeps the consent beside the suppression."""
    marketing = {
        "consent": "SUBSCRIBED",
        "can_receive_email_marketing": False,
        "suppression": [{"reason": "USER_SUPPRESSED"}],
    }
    people = [
        {
            "type": "profile",
            "attributes": {
                "email": "ann@x.com",
                "subscriptions": {"email": {"marketing": marketing}},
            },
        },
        {
            "type": "profile",
            "attributes": {
                "email": "bob@x.com",
                "subscriptions": {"email": {"marketing": marketing | {"suppression": []}}},
            },
        },
    ]

    ann, bob = read(json.dumps({"data": people}))

    assert [(False, ""), (True, "")] == [(one.subscribed, one.problem) for one in (ann, bob)]


@pytest.mark.parametrize("tags", ["", "[]"])
def test_an_empty_tag_of_mailgun_does_not_become_all_mail(tags: str) -> None:
    """Catalogue N1."""
    (entry,) = read(f'address,tags,created_at\nann@x.com,{tags},"Wed, 01 Jan 2020 05:00:00 GMT"\n')

    assert "the column tags is empty, so the line does not say what was left" == entry.problem


def test_tags_as_python_prints_them_are_tags() -> None:
    """Catalogue N1."""
    (entry,) = read(
        "address,tags,created_at\nann@x.com,\"['news','offers']\",\"Wed, 01 Jan 2020 05:00:00"
        ' GMT"\n'
    )

    assert (("news",), ("offers",)) == entry.groups
