"""Reads the settings from their sources and reports every problem at once.

Sources, strongest first: environment (`SIGNOFF_RELAY__DOWNSTREAM`), the same name with `_FILE` and
a path as its value, a directory of secrets (`SIGNOFF_SECRETS_DIR`, file names like the
environment's), the file that `SIGNOFF_CONFIG` names (`signoff.toml` unless said).
"""

import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource

from app.core.errors import Misconfigured
from app.settings import first_run
from app.settings.model import Settings, in_development
from app.settings.types import problem_of_key_file

PREFIX = "SIGNOFF_"
_PLAIN = {"Extra inputs are not permitted": "no such setting", "Field required": "must be set"}
_NOT_SETTINGS = frozenset({"signoff_config", "signoff_secrets_dir"})


def is_configured() -> bool:
    """Tell whether there is an installation here: a settings file, a variable of ours, or keys of
    an earlier run. Makes nothing.
    """
    return bool(_given()) or Path("signoff.toml").exists() or Path("var/keys").exists()


def load() -> Settings:
    """Return the settings of this process; in development make what is missing under `state_dir`
    first.

    Raises Misconfigured with every problem, each as `key: what is wrong and what to write`.
    """
    problems: list[str] = []
    data = _merged(_config_file(), _decoded(_Environment(problems)()))
    if in_development(data) and not problems:
        _prepare(
            Path(str(data.get("state_dir") or "var")), dkim=not _has_keys_for_the_relay_alone(data)
        )
    problems += [*_unknown_names(), *_missing_keys(data)]
    try:
        settings = Settings.model_validate(data)
    except ValidationError as exc:
        problems = [_problem(error["loc"], error["msg"]) for error in exc.errors()] + problems
        raise Misconfigured(problems) from exc
    if problems:
        raise Misconfigured(problems)
    return settings


def _missing_keys(data: Mapping[str, object]) -> Iterator[str]:
    """Yield a problem for each DKIM key that is not there, unless the keys are for the relay alone,
    which says so itself.
    """
    if data.get("dkim_keys") == "relay":
        return
    for name, brand in _items(data.get("brands")):
        for number, key in _items(dict(_items(brand)).get("dkim")):
            path = dict(_items(key)).get("key_file")
            if isinstance(path, str) and (problem := problem_of_key_file(Path(path))):
                yield f"brands.{name}.dkim.{number}.key_file: {problem}"


def _has_keys_for_the_relay_alone(data: Mapping[str, object]) -> bool:
    """Tell whether the settings name DKIM keys that lie where the relay alone can read them, so
    that no process makes one elsewhere.
    """
    return data.get("dkim_keys") == "relay" and any(
        "dkim" in dict(_items(brand)) for _, brand in _items(data.get("brands"))
    )


def _items(value: object) -> Iterable[tuple[object, object]]:
    """Return what a table or a list has under each key or number; nothing of what is neither."""
    if isinstance(value, Mapping):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


class _Environment(EnvSettingsSource):
    """The environment, completed by `_FILE` names and by the directory of secrets."""

    def __init__(self, problems: list[str]) -> None:
        self._problems = problems
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        given = _given()
        pointers = {name: path for name, path in given.items() if _points_to_file(name)}
        plain = {name: value for name, value in given.items() if name not in pointers}
        contents = {
            name.removesuffix("_file"): self._secret(name, Path(path or ""))
            for name, path in pointers.items()
        }
        secrets = self._from_directory(given.get("signoff_secrets_dir")) | contents
        return {name: value for name, value in secrets.items() if value is not None} | plain

    def _from_directory(self, directory: str | None) -> dict[str, str | None]:
        if not directory:
            return {}
        try:
            found = [
                path
                for path in Path(directory).iterdir()
                if path.name.upper().startswith(PREFIX) and path.is_file()
            ]
        except OSError as exc:
            self._problems.append(f"SIGNOFF_SECRETS_DIR: {exc}")
            return {}
        return {path.name.lower(): self._secret(path.name, path) for path in found}

    def _secret(self, name: str, path: Path) -> str | None:
        try:
            return path.read_text().rstrip("\n")
        except (OSError, UnicodeDecodeError) as exc:
            self._problems.append(f"{name.upper()}: {path}: {exc}")
            return None


def _given() -> dict[str, str | None]:
    return {
        name.lower(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)
    }


def _points_to_file(name: str) -> bool:
    """Tell whether a name is that of a setting with `_file` behind it, and not itself one, as
    `keyring_file` is.
    """
    return name.endswith("_file") and not _is_setting(name)


def _is_setting(name: str) -> bool:
    first, _, rest = name.removeprefix(PREFIX.lower()).partition("__")
    field = Settings.model_fields.get(first)
    if field is None or not rest:
        return field is not None
    section = getattr(field.annotation, "model_fields", None)
    return section is None or rest in section


def _prepare(state: Path, *, dkim: bool) -> None:
    try:
        first_run.prepare(state, dkim=dkim)
    except OSError as exc:
        raise Misconfigured(
            [f"state_dir: {state}: what a development machine needs cannot be made there: {exc}"]
        ) from exc


def _config_file() -> dict[str, object]:
    """Return what the file says. Raises Misconfigured for one that cannot be read, alone: all else
    would only follow from it.
    """
    named = os.environ.get("SIGNOFF_CONFIG")
    path = Path(named or "signoff.toml")
    if not named and not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise Misconfigured(
            [f"SIGNOFF_CONFIG: {path}: no such file; write it, or unset SIGNOFF_CONFIG"]
        ) from exc
    except OSError as exc:
        raise Misconfigured([f"SIGNOFF_CONFIG: {path}: cannot be read: {exc.strerror}"]) from exc
    except UnicodeDecodeError as exc:
        raise Misconfigured(
            [f"SIGNOFF_CONFIG: {path}: byte {exc.start + 1} is not UTF-8, and TOML is"]
        ) from exc
    # TOMLDecodeError is a ValueError; a date that is none is another
    except (ValueError, RecursionError) as exc:
        raise Misconfigured([f"SIGNOFF_CONFIG: {path}: not TOML: {exc}"]) from exc


def _decoded(table: Mapping[str, object]) -> dict[str, object]:
    """Return the environment's values with JSON read: a brand, or the list of its DKIM keys, may
    stand in one variable.
    """
    return {
        key: _decoded(value) if isinstance(value, dict) else _from_json(value)
        for key, value in table.items()
    }


def _from_json(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(("{", "[{")):
        return value
    try:
        return json.loads(value)
    except ValueError:  # a template, such as {{UserAttribute[…]}}
        return value


def _merged(low: Mapping[str, object], high: Mapping[str, object]) -> dict[str, object]:
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        merged[key] = (
            _merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged


def _unknown_names() -> list[str]:
    names = (name for name in _given() if name not in _NOT_SETTINGS)
    unknown = (
        name
        for name in names
        if not _is_setting(name.removesuffix("_file")) and not _is_setting(name)
    )
    return [f"{name.upper()}: no such setting" for name in sorted(unknown)]


def _problem(location: tuple[int | str, ...], message: str) -> str:
    key = (
        ".".join(str(part) for part in location if not (isinstance(part, str) and "[" in part))
        or "settings"
    )
    return f"{key}: {_PLAIN.get(message, message).removeprefix('Value error, ')}"
