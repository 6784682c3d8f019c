"""The page token: bound to its link, honest about what its page showed."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import TokenError, TokenKeyUnknown, TokenTagInvalid
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.model import BrandNumber, CampaignId, Claims, GroupKey, Purpose, RecipientDigest
from app.core.page_token import AHEAD_MS, LIFETIME_MS, Form, PageState, PageTokens
from app.core.preference_form import Shown

NOW_MS = 1_790_000_000_000
KEY = MasterKey(id=1, secret=b"1" * 32, status=KeyStatus.PRIMARY)
TOKENS = PageTokens(Keyring(keys=[KEY], pepper=b"p" * 32))
CLAIMS = Claims(
    brand=BrandNumber(1),
    key_id=1,
    data_centre=1,
    purpose=Purpose.PREFERENCES,
    campaign=CampaignId("spring"),
    groups=(GroupKey(5),),
    issued_day=20_000,
    test=False,
    address="bob@example.com",
    digest=RecipientDigest(b"0123456789"),
)


def state(**changes: object) -> PageState:
    parts = {
        "form": Form.PREFERENCES,
        "made_ms": NOW_MS,
        "sequence": 7,
        "shown": Shown(everything=True, groups={GroupKey(5): False}),
    }
    return PageState(**{**parts, **changes})  # type: ignore[arg-type]  # as the test says


@given(
    form=st.sampled_from(Form),
    sequence=st.integers(0, 2**32 - 1) | st.integers(2**32, 2**53),
    everything=st.booleans(),
    groups=st.dictionaries(st.integers(1, 2**32 - 1).map(GroupKey), st.booleans(), max_size=50),
    second=st.integers(0, 2**39),
)
def test_what_a_page_showed_comes_back_as_it_was(
    form: Form, sequence: int, everything: bool, groups: dict[GroupKey, bool], second: int
) -> None:
    page = state(
        form=form,
        sequence=sequence,
        made_ms=second * 1000,
        shown=Shown(everything=everything, groups=groups),
    )

    text = TOKENS.sign(page, CLAIMS)

    opened = TOKENS.open(text, CLAIMS)
    assert page == opened
    assert list(groups) == list(opened.shown.groups)
    assert len(text) < 500


@pytest.mark.parametrize(
    "other",
    [
        CLAIMS._replace(brand=BrandNumber(2)),
        CLAIMS._replace(digest=RecipientDigest(b"9876543210")),
        CLAIMS._replace(groups=()),
        CLAIMS._replace(campaign=CampaignId("summer")),
        CLAIMS._replace(test=True),
        CLAIMS._replace(purpose=Purpose.PREFERENCES | Purpose.ONE_CLICK),
    ],
)
def test_a_page_token_is_of_use_with_its_own_link_alone(other: Claims) -> None:
    """Catalogue L7."""
    with pytest.raises(TokenTagInvalid):
        TOKENS.open(TOKENS.sign(state(), CLAIMS), other)


def test_no_byte_of_a_page_token_can_be_changed() -> None:
    """Catalogue L7."""
    text = TOKENS.sign(state(), CLAIMS)
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    for at in range(len(raw)):
        changed = raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :]
        with pytest.raises(TokenError):
            TOKENS.open(base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), CLAIMS)


@pytest.mark.parametrize("text", ["", "A", "é", "====", "AAAA", "A" * 3000, "a b", "-" * 40])
def test_what_is_no_page_token_is_refused(text: str) -> None:
    with pytest.raises(TokenError):
        TOKENS.open(text, CLAIMS)


def test_a_page_token_of_a_revoked_key_does_not_open() -> None:
    revoked = Keyring(
        keys=[MasterKey(id=1, secret=KEY.secret, status=KeyStatus.REVOKED)], pepper=b"p" * 32
    )

    with pytest.raises(TokenKeyUnknown):
        PageTokens(revoked).open(TOKENS.sign(state(), CLAIMS), CLAIMS)


@pytest.mark.parametrize(
    ("age", "expired"),
    [
        (0, False),
        (LIFETIME_MS, False),
        (LIFETIME_MS + 1, True),
        (-AHEAD_MS, False),
        (-AHEAD_MS - 1, True),
    ],
)
def test_a_page_decides_for_a_day(age: int, expired: bool) -> None:
    """Catalogue Q13."""
    assert expired == state().expired(NOW_MS + age)
