"""What a page with toggles shows, and what saving it means."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.groups import EVERYTHING
from app.core.model import GroupKey, Preferences, Subscription
from app.core.preference_form import Shown, Wish, shown, wish

A, B, C = GroupKey(1), GroupKey(2), GroupKey(3)
LEFT = Subscription(subscribed=False)


def seen(everything: bool, **groups: bool) -> Shown:
    return Shown(
        everything=everything,
        groups={{"a": A, "b": B, "c": C}[name]: on for name, on in groups.items()},
    )


def test_a_group_is_on_while_neither_it_nor_all_mail_was_left() -> None:
    some = Preferences(groups=MappingProxyType({A: LEFT, C: Subscription()}))
    none = Preferences(everything=LEFT, groups=MappingProxyType({A: LEFT}))

    assert seen(True, a=False, b=True, c=True) == shown(some, [A, B, C])
    assert seen(False, a=False, b=False) == shown(none, [A, B])


@pytest.mark.parametrize(
    ("before", "everything", "on", "expected"),
    [
        (seen(True, a=True, b=False), True, {A}, Wish()),
        (seen(True, a=True, b=False), True, {B}, Wish(join=(B,), leave=(A,))),
        (seen(True, a=True, b=False), True, set(), Wish(leave=(A,))),
        # all mail off switches every group off, whatever a page without a script still says of them
        (seen(True, a=True, b=False), False, set(), Wish(leave=(EVERYTHING, A))),
        (seen(True, a=True, b=False), False, {A, B}, Wish(leave=(EVERYTHING, A))),
        (seen(False, a=False, b=False), False, set(), Wish()),
        # one group on while all mail is off: only this group, so every other is left by name
        (seen(False, a=False, b=False), False, {B}, Wish(join=(B, EVERYTHING), leave=(A,))),
        (seen(False, a=False, b=False), True, {B}, Wish(join=(B, EVERYTHING), leave=(A,))),
        (seen(False, a=False, b=False), True, {A, B}, Wish(join=(A, B, EVERYTHING))),
        (seen(False), True, set(), Wish(join=(EVERYTHING,))),
        (seen(True), False, set(), Wish(leave=(EVERYTHING,))),
    ],
)
def test_what_a_form_asks_for(
    before: Shown, everything: bool, on: set[GroupKey], expected: Wish
) -> None:
    assert expected == wish(before, everything=everything, on=on)


@given(
    st.booleans(),
    st.dictionaries(st.sampled_from([A, B, C]), st.booleans()),
    st.booleans(),
    st.sets(st.sampled_from([A, B, C])),
)
def test_after_saving_what_holds_is_what_the_form_said(
    everything: bool, groups: dict[GroupKey, bool], chosen: bool, ticked: set[GroupKey]
) -> None:
    before = Shown(
        everything=everything, groups={group: on and everything for group, on in groups.items()}
    )
    on = ticked & groups.keys()

    asked = wish(before, everything=chosen, on=on)

    # `groups` is what holds of each group itself, which a page with all mail off does not show
    after = {
        **groups,
        **dict.fromkeys(set(asked.join) - {EVERYTHING}, True),
        **dict.fromkeys(set(asked.leave) - {EVERYTHING}, False),
    }
    all_after = (everything or EVERYTHING in asked.join) and EVERYTHING not in asked.leave
    all_wanted = chosen or (not everything and bool(on))
    assert all_wanted == all_after
    assert {group: all_wanted and group in on for group in groups} == {
        group: all_after and after[group] for group in groups
    }
    assert not set(asked.join) & set(asked.leave)
