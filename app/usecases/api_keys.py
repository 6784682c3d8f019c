"""API keys: made, listed, revoked, and recognised (catalogue L8).

Which keys exist is in the store, so one that is revoked is refused everywhere at once. A key that
was good a moment ago stays good while the store is away, for `REMEMBERED_MS`: then of all times
somebody may need the API, whose unsubscribes the spool still takes.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.core.api_key import (
    INSTALLATION,
    SECRET_BYTES,
    ApiKey,
    KeyScope,
    digest_of,
    key_text,
    matches,
    read_text,
)
from app.core.errors import NotFound, RuleViolation, StoreUnavailable
from app.core.model import BrandId
from app.usecases.ports import ApiKeyBook, Clock

REMEMBERED_MS = 5 * 60 * 1000
MAX_REMEMBERED = 1_000
MAX_NAME_CHARS = 100

# compared with when there is no such key, so that both refusals take as long
_NOBODY = digest_of("")


class ApiKeys:
    """The keys of one installation. `file_key` is the text of the key that stands in a file, empty
    when there is none.
    """

    def __init__(
        self,
        book: ApiKeyBook,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        *,
        file_key: str = "",
    ) -> None:
        self._book = book
        self._clock = clock
        self._random_bytes = random_bytes
        self._file_key = _of_file(file_key) if file_key else None
        # by id: when it was last read from the store
        self._good: dict[str, tuple[ApiKey, int]] = {}

    async def create(
        self, brand: BrandId, *, name: str, scopes: frozenset[KeyScope]
    ) -> tuple[ApiKey, str]:
        """Make a key of a brand, or of the installation, and return it with its text, which is
        shown this once.

        Raises RuleViolation for a name or scopes that say nothing.
        """
        cleaned = " ".join(name.split())
        if not cleaned or len(cleaned) > MAX_NAME_CHARS or not cleaned.isprintable():
            raise RuleViolation(f"the name of a key is 1 to {MAX_NAME_CHARS} printable characters")
        if not scopes:
            raise RuleViolation("a key without a scope is good for nothing")
        text = key_text(self._random_bytes(8).hex(), self._random_bytes(SECRET_BYTES))
        key_id, secret = _parts(text)
        key = ApiKey(
            id=key_id,
            brand=brand,
            name=cleaned,
            scopes=scopes,
            created_ms=self._clock(),
            secret_digest=digest_of(secret),
        )
        await self._book.put(key)
        return key, text

    async def list(self, brand: BrandId) -> Sequence[ApiKey]:
        """Return the keys of exactly this brand, or of the installation, revoked ones too, oldest
        first.
        """
        return [key for key in await self._book.keys() if key.brand == brand]

    async def revoke(self, brand: BrandId, key_id: str) -> ApiKey:
        """End a key for good and return it; idempotent. Raises NotFound unless it is of exactly
        this brand.
        """
        key = await self._book.key(key_id)
        if key is None or key.brand != brand:
            raise NotFound("the brand has no such key")
        if not key.revoked_ms:
            key = replace(key, revoked_ms=self._clock())
            await self._book.put(key)
        self._good.pop(key_id, None)
        return key

    async def recognise(self, text: str) -> ApiKey | None:
        """Return the key whose text this is, None when it is none, or one that was revoked.

        Raises StoreUnavailable when the store is away and the key was not seen lately.
        """
        key_id, secret = read_text(text) or ("", text)
        if self._file_key is not None and matches(secret, self._file_key.secret_digest):
            return self._file_key
        known = await self._known(key_id) if key_id else None
        good = matches(secret, known.secret_digest if known else _NOBODY)
        return known if good and known and not known.revoked_ms else None

    async def good(self, key_id: str) -> ApiKey | None:
        """Return the key of this id while it is good, for who has shown its text before. Raises
        StoreUnavailable as `recognise` does.
        """
        if self._file_key is not None and key_id == self._file_key.id:
            return self._file_key
        known = await self._known(key_id)
        return known if known and not known.revoked_ms else None

    async def _known(self, key_id: str) -> ApiKey | None:
        now_ms = self._clock()
        try:
            key = await self._book.key(key_id)
        except StoreUnavailable:
            key, seen_ms = self._good.get(key_id, (None, 0))
            if key is None or now_ms - seen_ms > REMEMBERED_MS:
                raise
            return key
        self._good.pop(key_id, None)
        if key is not None and not key.revoked_ms:
            if len(self._good) >= MAX_REMEMBERED:
                self._good.pop(next(iter(self._good)))
            self._good[key_id] = key, now_ms
        return key


def _parts(text: str) -> tuple[str, str]:
    found = read_text(text)
    if found is None:  # the two halves of this module would not fit together
        raise AssertionError("a key's text cannot be read back")
    return found


def _of_file(text: str) -> ApiKey:
    """Return the key that the operator put into a file: of the installation, with every scope."""
    _, secret = read_text(text) or ("", text)
    return ApiKey(
        id="file",
        brand=INSTALLATION,
        name="file",
        scopes=frozenset(KeyScope),
        created_ms=0,
        secret_digest=digest_of(secret),
    )
