"""The session of an operator's browser: whose it is, how long it lasts, and what ends it."""

from dataclasses import replace

import pytest

from app.core.api_key import INSTALLATION, ApiKey, KeyScope, digest_of
from app.core.errors import TokenError, TokenKeyUnknown, TokenMalformed, TokenTagInvalid
from app.core.keyring import Keyring, KeyStatus, MasterKey
from app.core.operator_session import AHEAD_MS, IDLE_MS, LONGEST_MS, OperatorSession, Sessions

NOW = 1_790_000_000_000
KEY = ApiKey(
    id="file",
    brand=INSTALLATION,
    name="file",
    scopes=frozenset(KeyScope),
    created_ms=0,
    secret_digest=digest_of("secret"),
)
SESSION = OperatorSession(key_id="file", since_ms=NOW, seen_ms=NOW)


def keyring(
    status: KeyStatus = KeyStatus.PRIMARY, *, further: tuple[MasterKey, ...] = ()
) -> Keyring:
    return Keyring(
        keys=(MasterKey(id=3, secret=b"3" * 32, status=status), *further), pepper=b"p" * 32
    )


def test_a_session_comes_back_as_it_was_and_says_whose_it_is() -> None:
    sessions = Sessions(keyring())
    text = sessions.sign(SESSION, KEY)

    assert ("file", SESSION) == (sessions.key_id(text), sessions.open(text, KEY))
    assert "secret" not in text


def test_a_session_of_a_key_whose_secret_has_changed_is_none() -> None:
    """Catalogue L8."""
    sessions = Sessions(keyring())
    text = sessions.sign(SESSION, KEY)

    for other in (
        replace(KEY, secret_digest=digest_of("another")),
        replace(KEY, id="0123456789abcdef"),
    ):
        with pytest.raises(TokenTagInvalid):
            sessions.open(text, other)


def test_no_character_of_a_session_can_be_changed() -> None:
    sessions = Sessions(keyring())
    text = sessions.sign(SESSION, KEY)

    for at, character in enumerate(text):
        changed = text[:at] + ("0" if character != "0" else "1") + text[at + 1 :]
        with pytest.raises(TokenError):
            sessions.open(changed, KEY)


@pytest.mark.parametrize(
    "text",
    ["", "x", "file.1.1.3", "file.1.1.3." + "0" * 63, "file.1.1.3." + "G" * 64, "a" * 10_000],
)
def test_what_is_no_session_is_malformed(text: str) -> None:
    with pytest.raises(TokenMalformed):
        Sessions(keyring()).key_id(text)


def test_revoking_a_master_key_ends_its_sessions_and_a_new_one_does_not() -> None:
    text = Sessions(keyring()).sign(SESSION, KEY)
    fresh = MasterKey(id=4, secret=b"4" * 32, status=KeyStatus.PRIMARY)

    rotated = Sessions(keyring(KeyStatus.ACTIVE, further=(fresh,)))

    assert SESSION == rotated.open(text, KEY)
    with pytest.raises(TokenKeyUnknown):
        Sessions(keyring(KeyStatus.REVOKED, further=(fresh,))).open(text, KEY)


@pytest.mark.parametrize(
    ("since", "seen", "over"),
    [
        (0, 0, False),
        (-IDLE_MS, -IDLE_MS, False),
        (-IDLE_MS - 1, -IDLE_MS - 1, True),
        (-LONGEST_MS, 0, False),
        (-LONGEST_MS - 1, 0, True),
        (AHEAD_MS, AHEAD_MS, False),
        (AHEAD_MS + 1, AHEAD_MS + 1, True),
    ],
)
def test_a_session_lasts_while_somebody_looks_and_not_for_ever(
    since: int, seen: int, over: bool
) -> None:
    assert over is OperatorSession("file", NOW + since, NOW + seen).is_over(NOW)


def test_a_form_is_of_its_own_session_alone() -> None:
    """Catalogue L7."""
    sessions = Sessions(keyring())
    text = sessions.form_token(SESSION, KEY)
    later = SESSION._replace(since_ms=NOW + 1)
    stranger = replace(KEY, id="0123456789abcdef")

    assert sessions.is_form_token(text, SESSION._replace(seen_ms=NOW + 1000), KEY)
    assert not sessions.is_form_token(text, later, KEY)
    assert not sessions.is_form_token(text, SESSION, stranger)
    assert not sessions.is_form_token(sessions.sign(SESSION, KEY), SESSION, KEY)
