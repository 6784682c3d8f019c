"""The DKIM keys of all brands, read from their files and judged together: what the relay signs
with, and what `doctor` looks at.
"""

from dataclasses import dataclass

from app.core.errors import Misconfigured
from app.core.mail.dkim_private import PrivateKey, algorithm_of, read_private_key
from app.core.mail.dkim_rotation import rotation_problems
from app.settings.brand import BrandSettings, DkimSettings
from app.settings.model import Settings
from app.settings.types import problem_of_key_file


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedKey:
    """One configured key with its private half."""

    domain: str
    selector: str
    body_form: str
    private: PrivateKey

    @property
    def algorithm(self) -> str:
        """Return the value of `a=` in signatures by this key."""
        return algorithm_of(self.private)


def load_keys(settings: Settings) -> dict[str, tuple[LoadedKey, ...]]:
    """Return the keys of each brand, in the order of the configuration. Raises Misconfigured with
    every problem.
    """
    problems: list[str] = []
    keys = {name: _of_brand(name, brand, problems) for name, brand in settings.brands.items()}
    if problems:
        raise Misconfigured(problems)
    return keys


def load_key(key: DkimSettings) -> LoadedKey:
    """Return one key with its private half. Raises Misconfigured."""
    if problem := problem_of_key_file(key.key_file):
        raise Misconfigured([problem])
    try:
        private = read_private_key(key.key_file.read_bytes())
    except OSError as exc:
        raise Misconfigured([f"{key.key_file}: cannot be read: {exc.strerror}"]) from exc
    except Misconfigured as exc:
        raise Misconfigured([f"{key.key_file}: {problem}" for problem in exc.problems]) from exc
    return LoadedKey(
        domain=key.domain,
        selector=key.selector,
        body_form=key.canonicalization.partition("/")[2],
        private=private,
    )


def _of_brand(name: str, brand: BrandSettings, problems: list[str]) -> tuple[LoadedKey, ...]:
    keys: list[LoadedKey] = []
    for number, key in enumerate(brand.dkim):
        try:
            keys.append(load_key(key))
        except Misconfigured as exc:
            problems += [
                f"brands.{name}.dkim.{number}.key_file: {problem}" for problem in exc.problems
            ]
    if len(keys) == len(brand.dkim):
        for domain in dict.fromkeys(key.domain for key in keys):
            own = [key for key in keys if key.domain == domain]
            problems += [
                f"brands.{name}.dkim: {problem}" for problem in rotation_problems(domain, own)
            ]
    return tuple(keys)
