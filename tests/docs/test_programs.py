"""The receiver's code that docs/brands.md gives to brands, against requests as the worker signs
them.
"""

import json
import time
from collections.abc import Callable

import pytest
from standardwebhooks import Webhook

from app.core.webhook import signature_fields
from tests.support.guides import block

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KEY = Webhook(SECRET)._whsecret
OLD_KEY = b"o" * 24
BODY = json.dumps(
    {"type": "email.unsubscribed", "data": {"email": "änn@mail.example"}}, ensure_ascii=False
).encode()
ID = "0eb4cefd5c362530a4361b23d838dd24"


@pytest.fixture
def verify() -> Callable[[str, dict[str, str], bytes], None]:
    names: dict[str, Callable[[str, dict[str, str], bytes], None]] = {}
    # the page's own code is what is tested
    exec(block("brands.md", "Verify the signature", "python"), names)
    return names["verify"]


def test_a_genuine_request_is_taken(verify: Callable[[str, dict[str, str], bytes], None]) -> None:
    headers = signature_fields([KEY], message_id=ID, at_s=int(time.time()), body=BODY)

    verify(SECRET, headers, BODY)
    Webhook(SECRET).verify(BODY, headers)  # a library agrees


def test_while_a_secret_is_rotated_either_signature_is_enough(
    verify: Callable[[str, dict[str, str], bytes], None],
) -> None:
    verify(
        SECRET,
        signature_fields([KEY, OLD_KEY], message_id=ID, at_s=int(time.time()), body=BODY),
        BODY,
    )
    verify(
        SECRET,
        signature_fields([OLD_KEY, KEY], message_id=ID, at_s=int(time.time()), body=BODY),
        BODY,
    )


@pytest.mark.parametrize("change", ["body", "id", "secret", "time"])
def test_anything_else_is_refused(
    change: str, verify: Callable[[str, dict[str, str], bytes], None]
) -> None:
    """Catalogue Q7."""
    at_s = int(time.time()) - (3600 if change == "time" else 0)
    headers = signature_fields(
        [OLD_KEY if change == "secret" else KEY], message_id=ID, at_s=at_s, body=BODY
    )
    if change == "id":
        headers["webhook-id"] = "another"

    with pytest.raises(ValueError, match=r"too old|does not fit"):
        verify(SECRET, headers, BODY + b" " if change == "body" else BODY)
