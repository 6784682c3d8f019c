"""The keyring's file: TOML, readable by its owner alone, replaced atomically.

pepper = "…Base64 of 32 bytes; never change it…"
[[keys]]
id = 1
status = "primary"            # primary | active | revoked
not_before = 2026-11-21T00:00:00Z
secret = "…Base64 of 32 bytes…"
"""

import base64
import binascii
import datetime
import os
import secrets
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.core.errors import Misconfigured
from app.core.keyring import MASTER_KEY_BYTES, Keyring, KeyStatus, MasterKey

MAX_KEY_ID = 255


def _secret(value: object) -> bytes:
    try:
        raw = base64.b64decode(str(value), validate=True)
    except binascii.Error as exc:
        raise ValueError("not Base64") from exc
    if len(raw) != MASTER_KEY_BYTES:
        raise ValueError(f"must be Base64 of {MASTER_KEY_BYTES} bytes")
    return raw


_Secret = Annotated[bytes, BeforeValidator(_secret)]


class _Key(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: Annotated[int, Field(ge=1, le=MAX_KEY_ID)]
    status: KeyStatus
    not_before: AwareDatetime
    secret: _Secret


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    pepper: _Secret
    keys: list[_Key] = Field(min_length=1)


def load(path: Path) -> Keyring:
    """Return the keyring of a file. Raises Misconfigured with every problem, and no secret in
    any.
    """
    keys, pepper = read(path)
    return Keyring(keys=keys, pepper=pepper)


def read(path: Path) -> tuple[tuple[MasterKey, ...], bytes]:
    """Return the keys and the pepper of a file. Raises Misconfigured."""
    try:
        parsed = _File.model_validate(tomllib.loads(path.read_text()))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise Misconfigured(
            [f"keyring_file: {path}: {exc} (make one with `signoff keys init`)"]
        ) from exc
    except ValidationError as exc:
        where = (".".join(str(part) for part in error["loc"]) for error in exc.errors())
        raise Misconfigured(
            [
                f"keyring_file: {path}: {key}: {e['msg']}"
                for key, e in zip(where, exc.errors(), strict=True)
            ]
        ) from exc
    ids = [key.id for key in parsed.keys]
    if len(set(ids)) != len(ids):
        raise Misconfigured([f"keyring_file: {path}: two keys have the same id"])
    keys = tuple(_master_key(key) for key in parsed.keys)
    return keys, parsed.pepper


def _master_key(key: _Key) -> MasterKey:
    return MasterKey(
        id=key.id,
        secret=key.secret,
        status=key.status,
        not_before_ms=int(key.not_before.timestamp() * 1000),
    )


def new_key(key_id: int, *, not_before_ms: int) -> MasterKey:
    """Return a fresh primary key."""
    return MasterKey(
        id=key_id,
        secret=secrets.token_bytes(MASTER_KEY_BYTES),
        status=KeyStatus.PRIMARY,
        not_before_ms=not_before_ms,
    )


def new_pepper() -> bytes:
    """Return a fresh pepper; an installation makes one once in its life."""
    return secrets.token_bytes(MASTER_KEY_BYTES)


def dump(keys: tuple[MasterKey, ...], pepper: bytes) -> bytes:
    """Return the file's content."""
    lines = [
        "# Signoff keyring. Keep it secret, keep a copy, never change the pepper.",
        f'pepper = "{_base64(pepper)}"',
    ]
    for key in keys:
        since = datetime.datetime.fromtimestamp(key.not_before_ms / 1000, tz=datetime.UTC)
        lines += ["", "[[keys]]", f"id = {key.id}", f'status = "{key.status}"']
        lines += [
            f"not_before = {since.isoformat(timespec='seconds')}",
            f'secret = "{_base64(key.secret)}"',
        ]
    return ("\n".join(lines) + "\n").encode()


def write_secret(path: Path, content: bytes) -> None:
    """Put `content` at `path` atomically, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
