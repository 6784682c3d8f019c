"""Errors and outcomes become replies."""

import inspect
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import errors
from smtp_proxy import replies
from smtp_proxy.replies import (
    Deferred,
    Delivered,
    Outcome,
    RefusedCopy,
    Reply,
    Suppressed,
    combine,
    for_error,
    wire,
)

QUEUED = Reply(250, "2.0.0", "Ok: queued as 4F2")
BUSY = Reply(452, "4.2.2", "Mailbox full")
GONE = Reply(550, "5.1.1", "No such user")

REPLIES = st.builds(
    Reply,
    st.integers(200, 599),
    st.builds("{}.{}.{}".format, st.sampled_from([2, 4, 5]), st.integers(0, 9), st.integers(0, 99)),
    st.text(max_size=20),
)
OUTCOMES = st.lists(
    st.one_of(
        st.builds(Delivered, reply=REPLIES),
        st.builds(Suppressed, reason=st.just("group")),
        st.builds(Deferred, reply=REPLIES),
        st.builds(RefusedCopy, reply=REPLIES),
    ),
    min_size=1,
    max_size=6,
)
EVERY_ERROR = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.SignoffError)
]


@given(OUTCOMES)
def test_any_deferred_asks_for_all_again_all_refused_is_final_and_anything_else_is_accepted(
    outcomes: list[Outcome],
) -> None:
    """Catalogue X2, X3, X7."""
    reply = combine(outcomes)

    kinds = {type(outcome) for outcome in outcomes}
    digit = 4 if Deferred in kinds else 5 if kinds == {RefusedCopy} else 2
    assert digit == reply.code // 100
    assert reply.enhanced.startswith(f"{digit}.")
    assert 421 != reply.code


@given(OUTCOMES)
def test_every_reply_is_one_printable_line(outcomes: list[Outcome]) -> None:
    """Catalogue S13."""
    line = wire(combine(outcomes))

    assert re.fullmatch(rb"[245]\d\d [245]\.\d+\.\d+ [ -~]*\r\n", line)


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (Delivered(reply=QUEUED), QUEUED),
        (Delivered(reply=Reply(251, "2.1.5", "forwarded")), Reply(250, "2.0.0", "forwarded")),
        (Deferred(reply=BUSY), BUSY),
        (Deferred(reply=Reply(421, "4.3.2", "bye")), Reply(451, "4.3.2", "bye")),
        (Deferred(reply=Reply(450, "5.0.0", "odd")), Reply(450, "4.0.0", "odd")),
        (RefusedCopy(reply=GONE), GONE),
        (RefusedCopy(reply=Reply(554, "5.7.1", "x")), Reply(554, "5.7.1", "x")),
        (Suppressed(reason="all"), replies.ACCEPTED),
    ],
)
def test_the_reply_about_one_copy_is_the_downstreams_own(outcome: Outcome, reply: Reply) -> None:
    """Catalogue X2, X6."""
    assert reply == combine([outcome])


def test_a_refusal_among_deliveries_is_never_told_by_a_reply_that_makes_the_upstream_send_again() -> (
    None
):
    """Catalogue X3."""
    assert replies.ACCEPTED == combine([Delivered(reply=QUEUED), RefusedCopy(reply=GONE)])
    assert replies.ACCEPTED == combine([Suppressed(reason="all"), RefusedCopy(reply=GONE)])


def test_deferred_copies_say_why_only_when_they_agree() -> None:
    assert Reply(451, "4.2.2", "Mailbox full") == combine(
        [Delivered(reply=QUEUED), Deferred(reply=BUSY)]
    )
    assert replies.PARTLY_DEFERRED == combine(
        [Deferred(reply=BUSY), Deferred(reply=replies.LOCAL_ERROR)]
    )


def test_a_reply_needs_an_outcome() -> None:
    with pytest.raises(ValueError, match="at least one"):
        combine([])


@pytest.mark.parametrize("kind", EVERY_ERROR)
def test_every_error_has_a_reply_that_is_as_temporary_as_the_error(
    kind: type[errors.SignoffError],
) -> None:
    """Catalogue X6."""
    error = kind(["key: wrong"]) if kind is errors.Misconfigured else kind("secret detail")

    reply = for_error(error)

    assert kind in replies.SMTP_REPLY
    assert kind.told is ("secret" in str(reply))
    # the root and a wrong configuration: ours to mend, so worth another try
    if kind not in {errors.SignoffError, errors.Misconfigured}:
        assert (4 if kind.temporary else 5) == reply.code // 100


@pytest.mark.parametrize("error", [ValueError("x"), KeyError(), OSError(), RuntimeError("at 0x7f")])
def test_the_unexpected_is_a_temporary_local_problem(error: Exception) -> None:
    """Catalogue D9."""
    assert Reply(451, "4.3.0", "Temporary local problem, try again later") == for_error(error)


@pytest.mark.parametrize(
    ("error", "start"),
    [
        (errors.MalformedMessage(), "554 5.6.0"),
        (errors.MessageTooLarge(), "552 5.3.4"),
        (errors.RuleViolation(), "550 5.7.1"),
        (errors.StoreUnavailable(), "451 4.3.0"),
        (errors.DownstreamUnavailable(), "451 4.4.1"),
        (errors.SignerUnavailable(), "451 4.3.5"),
        (errors.Overloaded(), "452 4.3.1"),
        (errors.MailLoop(), "554 5.4.6"),
    ],
)
def test_local_problems_are_told_as_the_table_says(error: errors.SignoffError, start: str) -> None:
    """Catalogue X6, D9."""
    assert str(for_error(error)).startswith(start)
