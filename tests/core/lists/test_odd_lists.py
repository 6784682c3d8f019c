"""Lists as people really send them: columns of their own, titles above the table, short rows. None
may widen what was left, or lose it.
"""

import pytest

from app.core.group_words import GroupWords
from app.core.groups import EVERYTHING, group_key
from app.core.model import GroupId, SubscriptionGroup
from app.usecases import import_list
from tests.core.lists.test_formats import read
from tests.core.lists.test_what_a_line_says import said


@pytest.mark.parametrize(
    "column",
    [
        "unsubscribed_lists",
        "Unsubscribed Groups",
        "unsubscribed_group",
        "unsubscribed topics",
        "opt_out_list",
        "suppression_group_id",
        "suppression group name",
        "unsubscribe_group_id",
        "unsubscribedMessageTypeIds",
    ],
)
def test_a_column_of_what_was_left_is_a_scope(column: str) -> None:
    """Catalogue N1."""
    assert ["News"] == said(f"email,{column}\na@x.com,News\n")
    assert said(f"email,{column}\na@x.com,\n")[0].startswith("refused: the column")


@pytest.mark.parametrize(
    "content",
    [
        "email,subscribed_lists\na@x.com,News\n",
        "email,hs_email_optout,hs_email_optout_1234\na@x.com,,true\n",
        "email,Unsubscribed (News)\na@x.com,yes\n",
        "email,Opted out - News\na@x.com,yes\n",
        "email,News opt-out\na@x.com,yes\n",
        "Email,Fax Opt Out\na@x.com,1\n",
        "email,unsubscribed_sms\na@x.com,1\n",
        "email,Unsubscribed from SMS\na@x.com,yes\n",
        "email,Newsletter erwünscht\na@x.com,ja\n",
        "email,Reçoit\na@x.com,oui\n",
        "email,receives_mail\na@x.com,1\n",
        '{"subscribers":[{"email_address":"a@x.com","state":"unconfirmed"}]}',
        "EMAIL,FIRST_NAME,CONTACT_ID\na@x.com,Ann,7\n",
        '{"email":"a@x.com","lists":[{"list_name":"","list_id":null}]}',
        '{"email":"a@x.com","lists":[]}',
        '{"email":"a@x.com","tags":[]}',
        "email,group,Group\na@x.com,News,\n",
        '{"email":"a@x.com","group":"News","Group":""}',
        "email,status,Status\na@x.com,active,unsubscribed\n",
        "email,unsubscribed,Unsubscribed?\na@x.com,no,yes\n",
        "email,name,status\na@x.com\n",
        "email,group\na@x.com\n",
        "email,amount,unsubscribed\na@x.com,1,1,0\n",
        '{"subscribed":["a@x.com"]}',
        '{"active":["a@x.com"]}',
        'email,"opted" out\na@x.com,0\n',
        (
            "Record ID,Email,Unsubscribed from all email,Opted out of email:"
            " News\n1,a@x.com,WAHR,FALSCH?\n"
        ),
        "email,status,unsubscribed,Opted out: News\na@x.com,unsubscribed,no,no\n",
    ],
)
def test_what_could_mean_two_things_is_refused(content: str) -> None:
    """Catalogue N1: never all mail, never silence."""
    assert {"refused"} == {line.partition(":")[0] for line in said(content)}


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("email,Subscribed: News\na@x.com,yes\n", ["subscribed"]),
        ("email,Subscribed: News\na@x.com,no\n", ["News"]),
        ("email,News: Unsubscribed\na@x.com,yes\n", ["News"]),
        ("email,News: Unsubscribed\na@x.com,no\n", ["subscribed"]),
        ("email,Opted out of email: News\na@x.com,2024-01-02\n", ["News"]),
        ("email,Opted out of email: News\na@x.com,unsubscribed\n", ["News"]),
        (
            '{"email":"a@x.com","lists":[{"name":"News","status":"subscribed"},{"name":"Offers","status":"unsubscribed"}]}',
            ["Offers"],
        ),
        (
            '{"email":"a@x.com","lists":[{"id":1,"name":"News","subscription_status":"confirmed"}]}',
            ["subscribed"],
        ),
        ('{"email":"a@x.com","groups":[{"name":"News","subscribed":true}]}', ["subscribed"]),
        ('{"email":"a@x.com","topics":[{"name":"News","opted_in":false}]}', ["News"]),
        ('{"email":"a@x.com","lists":[{"list_name":"News","list_id":4}]}', ["News"]),
        ('{"email":"a@x.com","topics":[{"slug":"news"}]}', ["news"]),
        ("email,sms_status,unsubscribed\na@x.com,active,yes\n", ["default"]),
        ("Export 2024\nemail,group\na@x.com,News\n", ["refused: no address", "News"]),
        (
            '{"subscribers":[{"email_address":"a@x.com","state":"cancelled","created_at":"2024-01-02T03:04:05Z"}]}',
            ["default"],
        ),
    ],
)
def test_what_says_it_clearly_is_done_and_no_more(content: str, left: list[str]) -> None:
    """Catalogue N1."""
    assert left == said(content)


def test_a_title_above_a_header_is_not_taken_for_one() -> None:
    """Catalogue N1."""
    assert "subscribed" in said("Report,2024\nemail,unsubscribed\na@x.com,0\n")
    assert "default" not in said("Report,2024\nemail,unsubscribed\na@x.com,0\n")


@pytest.mark.parametrize(
    "nothing", ["0000-00-00 00:00:00", "NULL", "\\N", "false", "0", "-", "never", "no", "n/a"]
)
@pytest.mark.parametrize("column", ["unsubscribed_at", "Date Suppressed"])
def test_a_word_for_nothing_is_no_time_of_leaving(column: str, nothing: str) -> None:
    """Catalogue N1, N33."""
    assert ["subscribed"] == said(f"email,{column}\na@x.com,{nothing}\n")


def test_what_is_no_time_is_refused_in_a_column_of_times() -> None:
    """Catalogue N33."""
    assert ['refused: the column unsubscribedat holds "soon", which is no time'] == said(
        "email,unsubscribed_at\na@x.com,soon\n"
    )


def test_groups_whose_list_was_suppressed_are_left_though_the_consent_holds() -> None:
    """Catalogue N1: Klaviyo's list suppressions."""
    entry = (
        '{"attributes":{"email":"a@x.com","subscriptions":{"email":{"marketing":{"consent":"SUBSCRIBED","suppression":[],'
        '"list_suppressions":[{"list_id":"Y6nRLr","reason":"USER_SUPPRESSED"}]}}}}}'
    )

    assert ["Y6nRLr"] == said(entry)


GROUPS = GroupWords(
    [
        SubscriptionGroup(id=GroupId("global"), name="Global"),
        SubscriptionGroup(id=GroupId("news"), name="News"),
    ]
)


def test_a_group_of_the_brand_wins_over_a_word_for_all_mail() -> None:
    """Catalogue N1: a brand may have a group called Global."""
    (named,) = read("email,group\na@x.com,Global\n")
    (any_,) = read("email,group\na@x.com,Everything\n")

    assert (group_key(GroupId("global")),) == import_list._scope(named.groups, GROUPS)
    assert () == import_list._scope(any_.groups, GROUPS)
    assert EVERYTHING != group_key(GroupId("global"))


@pytest.mark.parametrize(
    "content",
    [
        "email,emailListIds,unsubscribedChannelIds\na@x.com,[1],[]\n",
        "email,disabled topics\na@x.com,News\n",
        "email,interest groups\na@x.com,News\n",
        "email,disabled topics\na@x.com,\n",
        "email,subscribed_at\na@x.com,\n",
        "email,favourite newsletters\na@x.com,News\n",
        '{"email":"a@x.com","topics":{"News":"OPT_OUT"}}',
        '{"email":"a@x.com","lists":{"News":"unsubscribed"}}',
        '{"email":"a@x.com","preferences":{"News":"OPT_OUT"}}',
        "email,subscribed_at\na@x.com,2024-01-02\n",
        "email,Subscription date\na@x.com,2024-01-02\n",
        "email,opt_in_time\na@x.com,2024-01-02 03:04:05\n",
        "email,Consent date\na@x.com,2024-01-02\n",
        "email,Date of subscription\na@x.com,2024-01-02\n",
        "email;Angemeldet\na@x.com;2024-01-02\n",
        "email;Angemeldet am\na@x.com;2024-01-02\n",
        "email;Inscrit le\na@x.com;2024-01-02\n",
        "email;Abgemeldet\na@x.com;vielleicht\n",
    ],
)
def test_groups_and_times_of_coming_are_never_all_mail(content: str) -> None:
    """Catalogue N1: what names groups, or when somebody came, does not say that they left all."""
    assert {"refused"} == {line.partition(":")[0] for line in said(content)}


def test_ids_of_channels_that_were_left_are_groups_or_refused() -> None:
    """Catalogue N1: Iterable's columns."""
    assert ["12"] == said("email,unsubscribedChannelIds\na@x.com,[12]\n")


@pytest.mark.parametrize(
    "column",
    [
        "Abgemeldet am",
        "Date de désinscription",
        "Fecha de baja",
        "Data di disiscrizione",
        "Uitgeschreven op",
        "Дата отписки",
        "退订时间",
        "配信停止日",
        "Désinscrit",
        "Blocked At",
    ],
)
def test_an_empty_time_of_leaving_means_subscribed_in_other_languages_too(column: str) -> None:
    """Catalogue N1, N33."""
    assert ["default", "subscribed"] == said(f"email;{column}\na@x.com;2024-01-02\nb@x.com;\n")


@pytest.mark.parametrize(
    ("content", "left"),
    [
        ("email,subscribed_at,unsubscribed_at\na@x.com,2023-01-01,2024-01-02\n", ["default"]),
        ("email,subscribed_at,unsubscribed_at\na@x.com,2023-01-01,\n", ["subscribed"]),
        ("email,opt_in_time,status\na@x.com,2023-01-01,unsubscribed\n", ["default"]),
        ("email,topics\na@x.com,News\n", ["News"]),
        ("email,interest groups,unsubscribed\na@x.com,News,yes\n", ["default"]),
        (
            "EMAIL;EMAIL_BLOCKLISTED;SMS_BLOCKLISTED\na@x.com;Yes;No\nb@x.com;No;Yes\n",
            ["default", "subscribed"],
        ),
        (
            '{"contacts":[{"email":"a@x.com","emailBlacklisted":false,'
            '"attributes":{"BLACKLISTED":"yes"}}]}',
            ["subscribed"],
        ),
    ],
)
def test_what_else_stands_in_the_line_decides(content: str, left: list[str]) -> None:
    """Catalogue N1."""
    assert left == said(content)
