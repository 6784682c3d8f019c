"""Signing beside the event loop gives the signatures that signing in it gives."""

import asyncio
from contextlib import closing

import pytest

from smtp_proxy.relay.sign import SigningKey
from smtp_proxy.relay.signing_thread import SigningThread
from tests.support.dkim_keys import RSA_KEY


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
        signed = await asyncio.gather(*(thread.sign([(RSA_KEY, digest)]) for digest in digests))

    assert [[RSA_KEY.sign(digest)] for digest in digests] == signed


async def test_a_cancelled_caller_takes_no_signature_from_the_others() -> None:
    digests = [index.to_bytes(32, "big") for index in range(40)]

    with closing(SigningThread()) as thread:
        tasks = [asyncio.create_task(thread.sign([(RSA_KEY, digest)])) for digest in digests]
        await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        kept = await asyncio.gather(*tasks[1::2])
        after = await thread.sign([(RSA_KEY, digests[0])])

    assert [[RSA_KEY.sign(digest)] for digest in digests[1::2]] == kept
    assert [RSA_KEY.sign(digests[0])] == after


@pytest.mark.parametrize("number", [1, 5])
async def test_a_key_that_fails_fails_its_callers_and_the_thread_goes_on(number: int) -> None:
    with closing(SigningThread()) as thread:
        failed = await asyncio.gather(*(thread.sign([(BrokenKey(), bytes(32))]) for _ in range(number)), return_exceptions=True)
        after = await asyncio.wait_for(thread.sign([(RSA_KEY, bytes(32))]), 10)

    assert [ValueError] * number == [type(error) for error in failed]
    assert [RSA_KEY.sign(bytes(32))] == after
