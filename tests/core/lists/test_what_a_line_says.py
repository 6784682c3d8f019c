"""A line acts only when it says that somebody has left, and only on what it says was left."""
# ruff: noqa: E501 - a sample a line reads better

import pytest

from app.core.lists.reader import Entry
from tests.core.lists.test_formats import read

JOE = "joe@mail.example"
SES = (
    '{"Contacts":[{"EmailAddress":"stays@x.com","TopicPreferences":[{"TopicName":"newsletter","SubscriptionStatus":"OPT_IN"}],'
    '"UnsubscribeAll":false,"LastUpdatedTimestamp":1699999999.123},\n'
    '{"EmailAddress":"one@x.com","TopicPreferences":[{"TopicName":"newsletter","SubscriptionStatus":"OPT_OUT"},'
    '{"TopicName":"offers","SubscriptionStatus":"OPT_IN"}],"UnsubscribeAll":false,"LastUpdatedTimestamp":1699999999.123},\n'
    '{"EmailAddress":"all@x.com","TopicPreferences":[],"UnsubscribeAll":true,"LastUpdatedTimestamp":1699999999.123}]}'
)


def said(content: str) -> list[str]:
    """Return what each line says: `subscribed`, what was left, or the problem."""
    return [_said(entry) for entry in read(content)]


def _said(entry: Entry) -> str:
    if entry.problem:
        return f"refused: {entry.problem}"
    return (
        "subscribed"
        if entry.subscribed
        else "+".join("|".join(words) for words in entry.groups) or "default"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(SES, ["subscribed", "newsletter", "default"], id="ses contacts"),
        pytest.param('{"ContactListName":"c","EmailAddress":"a@x.com","TopicPreferences":[],"UnsubscribeAll":false}', ["subscribed"], id="ses"),
        pytest.param('address,tags,created_at\na@x.com,newsletter,"Fri, 21 Oct 2011 11:02:55 UTC"\n', ["newsletter"], id="mailgun tag"),
        pytest.param('address,tags,created_at\na@x.com,*,"Fri, 21 Oct 2011 11:02:55 UTC"\n', ["all"], id="mailgun all"),
        pytest.param('{"items":[{"address":"a@x.com","tags":["a","b"],"created_at":"x"}]}', ["a+b"], id="mailgun json"),
        pytest.param('[{"email":"a@x.com","group_id":42,"group_name":"Newsletter","created_at":1699999999}]', ["42|Newsletter"], id="asm"),
        pytest.param("email,group_id,group_name,created_at\na@x.com,42,News,1699999999\n", ["42|News"], id="asm csv"),
        pytest.param("email,reason,created,status\na@x.com,550 no,1577854800,5.1.1\n", ["default"], id="sendgrid bounces"),
        pytest.param("uuid,email,name,attributes,status,created_at\n1,a@x.com,A,{},enabled,2024-01-02T03:04:05Z\n", ["subscribed"], id="listmonk"),
        pytest.param("uuid,email,name,attributes,status,created_at\n1,a@x.com,A,{},blocklisted,2024-01-02\n", ["default"], id="listmonk left"),
        pytest.param('{"members":[{"email_address":"a@x.com","status":"subscribed","last_changed":"2024-01-02T00:00:00Z"}]}', ["subscribed"], id="mc"),
        pytest.param('{"members":[{"email_address":"a@x.com","status":"cleaned","last_changed":"2024-01-02T00:00:00Z","list_id":"57a",'
                     '"tags":[{"id":1,"name":"vip"}]}]}', ["default"], id="mailchimp cleaned"),
        pytest.param("Email Address,LEID,EUID,TAGS\na@x.com,1,2,vip\n", ["refused: the file lists contacts, and nothing in this line says "
                     "whether they have left"], id="mailchimp contacts"),
        pytest.param("Email Address,UNSUB_TIME,LEID,EUID,TAGS\na@x.com,2024-01-02 10:00:00,1,2,vip\n", ["default"], id="mailchimp left"),
        pytest.param('{"contacts":[{"email":"a@x.com","emailBlacklisted":false,"smsBlacklisted":true,"listIds":[3]}]}', ["subscribed"], id="brevo"),
        pytest.param('{"contacts":[{"email":"a@x.com","emailBlacklisted":true,"listIds":[]}]}', ["default"], id="brevo left"),
        pytest.param('{"contacts":[{"email":"a@x.com","emailBlacklisted":false,"listUnsubscribed":[7]}]}', ["7"], id="brevo list"),
        pytest.param("Email,Date Suppressed\na@x.com,2024-01-02 10:00:00\n", ["default"], id="klaviyo"),
        pytest.param(
            '{"data":[{"type":"profile","attributes":{"email":"a@x.com","subscriptions":{"email":{"marketing":{"consent":"SUBSCRIBED"}}}}}]}',
            ["subscribed"], id="klaviyo profiles"),
        pytest.param("Email,First name,Last name,Status,Data\na@x.com,A,B,unreachable,{}\nb@x.com,A,B,active,{}\n", ["default", "subscribed"], id="keila"),
        pytest.param("CID,EMAIL,STATUS\n1,a@x.com,2\n2,b@x.com,1\n", ["default", "subscribed"], id="mailtrain"),
        pytest.param("Record ID,Email,Unsubscribed from all email\n1,a@x.com,true\n2,b@x.com,\n", ["default", "subscribed"], id="hubspot"),
        pytest.param(
            "Record ID,Email,Unsubscribed from all email,Opted out of email: Product News\n1,a@x.com,,true\n2,b@x.com,,\n",
            ["Product News", "subscribed"], id="hubspot type"),
        pytest.param("email,status,udate\na@x.com,2,2024-01-02\nb@x.com,1,\n", ["default", "subscribed"], id="activecampaign"),
        pytest.param('{"Suppressions":[{"EmailAddress":"a@x.com","SuppressionReason":"HardBounce","Stream":"broadcast"}]}', ["broadcast"], id="postmark"),
        pytest.param("email,status\na@x.com,active\nb@x.com,Unsubscribed\n", ["subscribed", "default"], id="status"),
        pytest.param("email,subscribed\na@x.com,true\nb@x.com,0\n", ["subscribed", "default"], id="subscribed"),
        pytest.param("email,unsubscribed\na@x.com,false\nb@x.com,yes\n", ["subscribed", "default"], id="unsubscribed"),
        pytest.param("email,opted_out\na@x.com,0\nb@x.com,1\n", ["subscribed", "default"], id="opted out"),
        pytest.param("email,unsubscribed\na@x.com,2024-01-02\nb@x.com,\n", ["default", "subscribed"], id="a time of leaving, or none"),
        pytest.param("email,Accepts Email Marketing\na@x.com,yes\nb@x.com,no\n", ["subscribed", "default"], id="shop"),
        pytest.param("a@x.com,subscribed\nb@x.com,BOUNCE\n", ["subscribed", "default"], id="no header"),
        pytest.param('{"email":"a@x.com","unsubscribed":false}\n{"email":"b@x.com","status":"opt-out"}\n', ["subscribed", "default"], id="ndjson"),
        pytest.param("email,list\na@x.com,News\nb@x.com,all\nc@x.com,\n", ["News", "all", "default"], id="list"),
        pytest.param("email,State\na@x.com,CA\n", ["default"], id="the state of an address"),
        pytest.param("email,blocked\na@x.com,false\nb@x.com,true\n", ["subscribed", "default"], id="blocked"),
        pytest.param("email,bounced\na@x.com,no\nb@x.com,yes\n", ["subscribed", "default"], id="bounced"),
        pytest.param("email,Mailing Lists\na@x.com,news\n", ["news"], id="mailing lists"),
        pytest.param("email,Categories\na@x.com,news\n", ["news"], id="categories"),
        pytest.param("email,Subscription Group\na@x.com,news\n", ["news"], id="subscription group"),
        pytest.param("email,Unsubscribed from\na@x.com,news\n", ["news"], id="unsubscribed from"),
        pytest.param("email,first name,orders\na@x.com,Yves,1\n", ["default"], id="a name and a count"),
        pytest.param("email,Subscriber ID,Opt-in IP,SMS status\na@x.com,7,1.2.3.4,active\n", ["default"], id="what says nothing"),
    ],
)  # fmt: skip
def test_status_decides_whether_a_line_acts_and_scope_on_what(
    content: str, expected: list[str]
) -> None:
    """Catalogue N1."""
    assert expected == said(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("email,status\na@x.com,vip\n", 'the status "vip" says neither'),
        ("email;statut\na@x.com;abonné\n", 'the statut "abonné" says neither'),
        ("email;estado\na@x.com;suscrito\n", 'the estado "suscrito" says neither'),
        ("email,Marketing\na@x.com,yes\n", 'the column marketing holds "yes", and what it asks is not known'),
        ("email,Receives newsletter\na@x.com,no\n", "what it asks is not known"),
        ("email,Letter\na@x.com,Subscribed\n", "what it asks is not known"),
        ('{"email":"a@x.com","wants_mail":true}\n', "what it asks is not known"),
        ("a@x.com,false\n", "in a table without a header"),
        ("email,status\na@x.com,\n", 'the status "" says neither'),
        ("email,status\na@x.com,pending\n", 'the status "pending" says neither'),
        ("email,unsubscribed\na@x.com,perhaps\n", 'the column unsubscribed holds "perhaps", which is neither yes nor no'),
        ("email,active\na@x.com,no\n", "does not say that they have left"),
        ("email,status,unsubscribed\na@x.com,active,yes\n", "contradict each other"),
        ("email,newsletter_optout_flagged\na@x.com,maybe\n", "about something of its own"),
        ('{"email":"a@x.com","status":"\\u001b[31m"}\n', '"\\x1b[31m"'),
        ('{"Contacts":[{"EmailAddress":"a@x.com","UnsubscribeAll":false,"TopicPreferences":[{"TopicName":"n","SubscriptionStatus":"X"}]}]}', "a topic"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_by_name(content: str, words: str) -> None:
    """Catalogue N1."""
    (found,) = said(content)

    assert found.startswith("refused: ")
    assert words in found


@pytest.mark.parametrize(
    ("content", "at_ms"),
    [
        ("ID,Created,Email,Opted out on\n1,2020-01-01,joe@x.com,2026-12-02\n", 1_796_169_600_000),
        ("ID,Created,Email\n1,2020-01-01,joe@x.com\n", None),
        ("email,created_at\njoe@x.com,2020-01-01\n", None),
        ("email,date\njoe@x.com,2020-01-01\n", None),
        ("email,created\njoe@x.com,2020-01-01\n", None),
        ("email,unsubscribed_at\njoe@x.com,2020/01/02\n", 1_577_923_200_000),
        ("email,unsubscribed_at\njoe@x.com,02/03/2020\n", None),
        ("Email,Date Suppressed\njoe@x.com,2020-01-01T05:00:00+00:00\n", 1_577_854_800_000),
        (
            "Email Address,UNSUB_TIME,OPTIN_TIME,LEID,EUID\njoe@x.com,2020-01-01 05:00:00,2019-01-01,1,2\n",
            1_577_854_800_000,
        ),
    ],
)
def test_a_time_is_that_of_leaving_only_where_the_format_says_so(
    content: str, at_ms: int | None
) -> None:
    """Catalogue N33."""
    (entry,) = read(content)

    assert (entry.problem, entry.subscribed, entry.at_ms) == ("", False, at_ms)


def test_a_handle_is_no_address() -> None:
    """Catalogue N1."""
    assert ["ann@x.com"] == [entry.address for entry in read("@ann,ann@x.com\n")]
