"""Signing beside the event loop gives the signatures that signing in it gives."""

import asyncio
from contextlib import closing

import pytest

from app.core.mail.dkim import SignatureText
from smtp_proxy.relay.sign import SigningKey, SigningThread, Unsigned
from tests.support.dkim_keys import ED25519_KEY, RSA_KEY

TEXT = SignatureText(canonical=b"", folded=b"")


def job(digest: bytes, *keys: SigningKey) -> list[Unsigned]:
    return [(key, digest, TEXT) for key in keys or (RSA_KEY,)]


def signed(digest: bytes, *keys: SigningKey) -> bytes:
    return b"".join(TEXT.complete(key.sign(digest)) for key in keys or (RSA_KEY,))


class BrokenKey(SigningKey):
    """A key that its owner has taken away."""

    def __init__(self) -> None:
        self.algorithm = b"rsa-sha256"

    def sign(self, digest: bytes) -> bytes:
        raise ValueError("no key")


@pytest.mark.parametrize("number", [1, 2, 100])
async def test_each_caller_gets_the_signature_of_its_own_digest(number: int) -> None:
    """Catalogue D8: PKCS #1 v1.5 is deterministic, so the place where it is made cannot show."""
    digests = [index.to_bytes(32, "big") for index in range(number)]

    with closing(SigningThread()) as thread:
        found = await asyncio.gather(*(thread.sign(job(digest)) for digest in digests))

    assert [signed(digest) for digest in digests] == found


async def test_a_cancelled_caller_takes_no_signature_from_the_others() -> None:
    digests = [index.to_bytes(32, "big") for index in range(40)]

    with closing(SigningThread()) as thread:
        tasks = [asyncio.create_task(thread.sign(job(digest))) for digest in digests]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        kept = await asyncio.gather(*tasks[1::2])
        after = await thread.sign(job(digests[0]))

    assert [signed(digest) for digest in digests[1::2]] == kept
    assert signed(digests[0]) == after


@pytest.mark.parametrize("number", [1, 5])
async def test_a_key_that_fails_fails_its_callers_and_the_thread_goes_on(number: int) -> None:
    with closing(SigningThread()) as thread:
        failed = await asyncio.gather(
            *(thread.sign(job(bytes(32), BrokenKey())) for _ in range(number)),
            return_exceptions=True,
        )
        after = await asyncio.wait_for(thread.sign(job(bytes(32))), 10)

    assert [ValueError] * number == [type(error) for error in failed]
    assert signed(bytes(32)) == after


@pytest.mark.parametrize("number", [1, 3])
async def test_a_copy_with_two_keys_gets_both_fields_in_their_order(number: int) -> None:
    """Catalogue D7."""
    with closing(SigningThread()) as thread:
        found = await asyncio.gather(
            *(thread.sign(job(bytes(32), RSA_KEY, ED25519_KEY)) for _ in range(number))
        )

    assert [signed(bytes(32), RSA_KEY, ED25519_KEY)] * number == found
