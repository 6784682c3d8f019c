"""The qmoe codec: what a token carries, who may open it, and how much it forgives."""

import base64
import string
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.errors import (
    RuleViolation,
    SignerUnavailable,
    TokenError,
    TokenKeyUnknown,
    TokenMalformed,
    TokenPurposeWrong,
    TokenTagInvalid,
)
from app.core.groups import group_key
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.links import token_room
from app.core.model import BrandNumber, CampaignId, Claims, GroupId, GroupKey, Purpose
from app.core.token import MAX_TOKEN_CHARS, TokenCodec

BRAND = BrandNumber(7)
NOON_MS = 1_795_262_400_000
DAY_MS = 86_400_000


def master_key(
    key_id: int = 1, status: KeyStatus = KeyStatus.PRIMARY, not_before_ms: int = 0
) -> MasterKey:
    return MasterKey(
        id=key_id, secret=bytes([key_id]) * 32, status=status, not_before_ms=not_before_ms
    )


def codec(*keys: MasterKey) -> TokenCodec:
    return TokenCodec(
        keyring=Keyring(keys=keys or (master_key(),), pepper=b"p" * 32), data_centre=3
    )


def minted(codec: TokenCodec, address: str = "bob@example.com", **parts: object) -> str:
    arguments: dict[str, object] = {
        "brand": BRAND,
        "purpose": Purpose.ONE_CLICK,
        "at_ms": NOON_MS,
    } | parts
    minter = codec.minter(**arguments)  # type: ignore[arg-type]  # one place for the defaults of every test
    brand = arguments["brand"]
    assert isinstance(brand, int)
    return minter.mint(address=address, digest=codec.digest(address, brand=BrandNumber(brand)))


def test_a_token_says_who_leaves_what() -> None:
    """Catalogue T1: the URL alone identifies brand, campaign, groups and recipient."""
    groups = (group_key(GroupId("news")), group_key(GroupId("offers")))

    token = minted(codec(), campaign=CampaignId("spring-24"), groups=groups, test=True)

    assert codec().open(token, purpose=Purpose.ONE_CLICK) == Claims(
        brand=BRAND,
        key_id=1,
        data_centre=3,
        purpose=Purpose.ONE_CLICK,
        campaign=CampaignId("spring-24"),
        groups=groups,
        issued_day=NOON_MS // DAY_MS,
        test=True,
        address="bob@example.com",
        digest=codec().digest("bob@example.com", brand=BRAND),
    )


def test_the_same_mail_sent_again_carries_the_same_token() -> None:
    first, second = minted(codec()), minted(codec())

    assert first == second


def test_every_recipient_has_another_token() -> None:
    """Catalogue H11: no two recipients share one link."""
    tokens = {minted(codec(), address=f"user{n}@example.com") for n in range(1000)}

    assert len(tokens) == 1000


def test_any_changed_character_makes_a_token_that_does_not_open() -> None:
    """Catalogue T1."""
    token = minted(codec())
    alphabet = string.ascii_letters + string.digits + "-_"

    for at, original in enumerate(token):
        for other in alphabet:
            if other != original:
                with pytest.raises(TokenError):
                    codec().open(token[:at] + other + token[at + 1 :], purpose=Purpose.ONE_CLICK)


def test_no_part_of_the_address_can_be_read_from_the_token() -> None:
    """Catalogue T2."""
    token = minted(codec(), address="recognisable.person@plainly-visible.example")
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))

    for part in (b"recognisable", b"person", b"plainly", b"visible", b"example"):
        assert part not in raw
        assert part.hex() not in token
        assert part.decode() not in token


def test_a_token_of_one_brand_does_not_open_as_another_brands() -> None:
    """Catalogue T5."""
    token = minted(codec())
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[4] = 8

    with pytest.raises(TokenTagInvalid):
        codec().open(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), purpose=Purpose.ONE_CLICK)


def test_a_token_opens_after_two_rotations() -> None:
    """Catalogue T3: tokens do not expire, and an older key goes on opening."""
    token = minted(codec(master_key(1)))
    rotated = codec(master_key(1, KeyStatus.ACTIVE), master_key(2, KeyStatus.ACTIVE), master_key(3))

    assert rotated.open(token, purpose=Purpose.ONE_CLICK).key_id == 1
    assert rotated.open(minted(rotated), purpose=Purpose.ONE_CLICK).key_id == 3


def test_a_key_mints_only_from_its_not_before_on() -> None:
    """Catalogue T3: every process learns a new key before the first token under it leaves."""
    ring = codec(master_key(1), master_key(2, not_before_ms=NOON_MS))

    before = ring.open(minted(ring, at_ms=NOON_MS - 1), purpose=Purpose.ONE_CLICK)
    after = ring.open(minted(ring, at_ms=NOON_MS), purpose=Purpose.ONE_CLICK)

    assert (before.key_id, after.key_id) == (1, 2)


def test_a_keyring_without_a_primary_key_mints_nothing() -> None:
    with pytest.raises(SignerUnavailable):
        minted(codec(master_key(1, KeyStatus.ACTIVE)))


def test_a_revoked_key_ends_its_tokens() -> None:
    token = minted(codec(master_key(1)))

    with pytest.raises(TokenKeyUnknown):
        codec(master_key(1, KeyStatus.REVOKED), master_key(2)).open(
            token, purpose=Purpose.ONE_CLICK
        )


def test_a_token_acts_only_for_its_own_purposes() -> None:
    """Catalogue T4."""
    token = minted(codec(), purpose=Purpose.ONE_CLICK | Purpose.PROBE)

    assert codec().open(token, purpose=Purpose.PROBE).purpose == Purpose.ONE_CLICK | Purpose.PROBE
    with pytest.raises(TokenPurposeWrong):
        codec().open(token, purpose=Purpose.CALLBACK)


HARM = """\
 {token}|{token}\r\n|{token}>|<{token}>|{token}.|{token}%3E|{token}%20|{token}%0d%0a%20|{token},|{token}=|{token}"|\
{half}\r\n {rest}|{half}%20{rest}|{half}\t{rest}"""


@pytest.mark.parametrize("harm", HARM.split("|"))
def test_what_mail_software_does_to_urls_is_forgiven(harm: str) -> None:
    """Catalogue T11."""
    token = minted(codec())

    claims = codec().open(
        harm.format(token=token, half=token[:20], rest=token[20:]), purpose=Purpose.ONE_CLICK
    )

    assert claims.address == "bob@example.com"


@given(st.text(max_size=300))
@example("")
@example("A" * 5000)
@example("%")
@example("é" * 40)
@example("\ud800")
def test_garbage_is_a_token_error_and_nothing_else(text: str) -> None:
    with pytest.raises(TokenError):
        codec().open(text, purpose=Purpose.ONE_CLICK)


def test_an_international_address_survives_the_token() -> None:
    """Catalogue T9."""
    token = minted(codec(), address="用户@例え.jp")

    claims = codec().open(token, purpose=Purpose.ONE_CLICK)

    assert claims.address == "用户@例え.jp"
    assert token.isascii()


def test_a_usual_token_is_about_a_hundred_characters() -> None:
    token = minted(
        codec(),
        address="firstname.lastname@mail.example.com",
        campaign=CampaignId("2024-spring-sale"),
    )

    assert len(token) <= 110


@given(
    st.integers(min_value=1, max_value=64),
    st.integers(min_value=0, max_value=189),
    st.integers(min_value=0, max_value=200),
    st.integers(min_value=0, max_value=12),
)
def test_a_token_never_outgrows_the_url_and_still_names_the_recipient(
    local: int, domain: int, campaign: int, groups: int
) -> None:
    """Catalogue T10, H6."""
    address = "l" * local + "@" + "d" * domain + ".example"
    keys = tuple(GroupKey(n + 1) for n in range(groups))

    token = minted(codec(), address=address, campaign=CampaignId("c" * campaign), groups=keys)

    claims = codec().open(token, purpose=Purpose.ONE_CLICK)
    assert len(token) <= MAX_TOKEN_CHARS
    assert claims.digest == codec().digest(address, brand=BRAND)
    assert claims.address in (address, "")
    assert claims.groups == keys


def test_a_long_campaign_id_keeps_one_stable_name() -> None:
    """Catalogue T10."""
    long = minted(codec(), campaign=CampaignId("c" * 200))
    other = minted(codec(), campaign=CampaignId("c" * 199))

    names = [
        codec().open(token, purpose=Purpose.ONE_CLICK).campaign for token in (long, long, other)
    ]

    assert names[0] == names[1] != names[2]
    assert names[0].startswith("sha256:")


def test_more_groups_than_a_url_can_hold_are_refused() -> None:
    with pytest.raises(RuleViolation):
        minted(codec(), groups=tuple(GroupKey(n + 1) for n in range(50)))


def test_a_long_host_leaves_less_room_and_the_url_still_fits() -> None:
    """Catalogue H6."""
    url = "https://unsubscribe.a-rather-long-name.marketing.example.com"
    room = token_room(url)
    narrow = TokenCodec(
        keyring=Keyring(keys=(master_key(),), pepper=b"p" * 32), data_centre=1, max_chars=room
    )

    token = minted(
        narrow, address="l" * 64 + "@" + "d" * 180 + ".example", campaign=CampaignId("c" * 90)
    )

    assert len(f"{url}/u?qmoe={token}") <= 250


@pytest.mark.parametrize("groups", [(), (1,), (1, 2)])
def test_a_short_token_is_case_insensitive_and_fits_a_local_part(groups: tuple[int, ...]) -> None:
    """Catalogue T6."""
    keys = tuple(GroupKey(group) for group in groups)
    digest = codec().digest("bob@example.com", brand=BRAND)

    token = codec().short_minter(brand=BRAND, groups=keys, at_ms=NOON_MS).mint(digest)

    assert len(f"u-{token}") <= 64
    for spelling in (token, token.upper(), token.title()):
        claims = codec().open_short(spelling)
        assert (claims.brand, claims.digest, claims.groups, claims.test) == (
            BRAND,
            digest,
            keys,
            False,
        )


def test_more_groups_than_a_local_part_can_hold_mean_all_mail() -> None:
    """Catalogue T6."""
    digest = codec().digest("bob@example.com", brand=BRAND)

    token = (
        codec()
        .short_minter(brand=BRAND, groups=[GroupKey(n + 1) for n in range(5)], at_ms=NOON_MS)
        .mint(digest)
    )

    assert len(f"u-{token}") <= 64
    assert codec().open_short(token).groups == ()


def test_the_short_token_of_a_test_send_says_so() -> None:
    """Catalogue H12, T6: a mail with an empty subject has no other token that could say it."""
    digest = codec().digest("bob@example.com", brand=BRAND)
    keys = (GroupKey(1), GroupKey(2))

    token = codec().short_minter(brand=BRAND, groups=keys, at_ms=NOON_MS, test=True).mint(digest)

    assert len(f"u-{token}") <= 64
    assert (codec().open_short(token).test, codec().open_short(token).groups) == (True, keys)


def test_a_short_token_names_its_data_centre_wherever_it_is_read() -> None:
    """Catalogue T6: so a mail to the wrong data centre comes home even when its subject is
    empty.
    """
    elsewhere = TokenCodec(keyring=Keyring(keys=(master_key(),), pepper=b"p" * 32), data_centre=99)
    digest = codec().digest("bob@example.com", brand=BRAND)

    token = elsewhere.short_minter(brand=BRAND, groups=(), at_ms=NOON_MS).mint(digest)

    assert (99, digest) == (codec().open_short(token).data_centre, codec().open_short(token).digest)


def test_a_short_token_from_before_they_named_a_data_centre_belongs_to_its_reader() -> None:
    """Catalogue T3."""
    claims = codec().open_short("aeaqab45sglbzz3ivizzggabaaaaaala3t3srkmkg6bohdi")

    assert (3, codec().digest("bob@example.com", brand=BRAND), (GroupKey(1),)) == (
        claims.data_centre,
        claims.digest,
        claims.groups,
    )


@pytest.mark.parametrize("groups", [1, 20])
def test_without_an_address_a_token_holds_the_digest(groups: int) -> None:
    keys = tuple(GroupKey(number) for number in range(groups))
    digest = codec().digest("bob@example.com", brand=BRAND)

    token = (
        codec()
        .minter(brand=BRAND, purpose=Purpose.CALLBACK, at_ms=NOON_MS, groups=keys)
        .mint(address="", digest=digest)
    )

    claims = codec().open(token, purpose=Purpose.CALLBACK)
    assert ("", digest, keys) == (claims.address, claims.digest, claims.groups)


def test_any_changed_character_of_a_short_token_is_noticed() -> None:
    """Catalogue T6, T1."""
    digest = codec().digest("bob@example.com", brand=BRAND)
    token = codec().short_minter(brand=BRAND, groups=(), at_ms=NOON_MS).mint(digest)

    for at, original in enumerate(token):
        changed = "a" if original != "a" else "b"
        with pytest.raises(TokenError):
            codec().open_short(token[:at] + changed + token[at + 1 :])


@given(st.text(max_size=80))
def test_garbage_is_no_short_token(text: str) -> None:
    with pytest.raises(TokenMalformed):
        codec().open_short(text)


def test_a_sealed_address_opens_for_its_brand_only() -> None:
    sealed = codec().seal_address("bob@example.com", brand=BRAND, at_ms=NOON_MS)

    assert codec().unseal_address(sealed, brand=BRAND) == "bob@example.com"
    assert b"bob" not in sealed
    with pytest.raises(TokenTagInvalid):
        codec().unseal_address(sealed, brand=BrandNumber(8))


@pytest.mark.parametrize(
    "keys",
    [
        (master_key(1, KeyStatus.ACTIVE),),
        (master_key(1, KeyStatus.ACTIVE), master_key(2, not_before_ms=NOON_MS + 1)),
        (master_key(1, KeyStatus.REVOKED), master_key(2, not_before_ms=NOON_MS + 1)),
    ],
)
def test_an_address_is_sealed_also_while_no_key_may_mint(keys: tuple[MasterKey, ...]) -> None:
    """Catalogue T3: a click on an old link is saved, whatever the rotation of the keys has come
    to.
    """
    sealed = codec(*keys).seal_address("bob@example.com", brand=BRAND, at_ms=NOON_MS)

    assert codec(*keys).unseal_address(sealed, brand=BRAND) == "bob@example.com"


def test_revoked_keys_seal_nothing() -> None:
    with pytest.raises(SignerUnavailable):
        codec(master_key(1, KeyStatus.REVOKED)).seal_address(
            "bob@example.com", brand=BRAND, at_ms=NOON_MS
        )


def test_group_keys_are_stable_and_never_stand_for_everything() -> None:
    keys = [group_key(GroupId(f"group {n}")) for n in range(50)]

    assert 0 not in keys
    assert all(one != other for one, other in pairwise(sorted(keys)))
