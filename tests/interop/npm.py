"""Packages of npm, fetched once into var/interop and known by their hash."""

import hashlib
import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "var/interop"


@dataclass(frozen=True, slots=True, kw_only=True)
class NpmPackage:
    """One version of a package."""

    name: str
    version: str
    sha256: str

    def file(self, path: str) -> str:
        """Return the text of one of its files, from the package that is kept, or is fetched now."""
        package = FOLDER / f"{self.name}-{self.version}.tgz"
        if not package.exists():
            self._fetch()
        content = package.read_bytes()
        assert hashlib.sha256(content).hexdigest() == self.sha256, (
            f"{package} is not the package that is wanted; remove it"
        )
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            found = archive.extractfile(f"package/{path}")
            assert found is not None
            return found.read().decode()

    def _fetch(self) -> None:
        npm = shutil.which("npm")
        assert npm, f"npm is missing, which brings {self.name}: apt-get install npm"
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [
            npm,
            "pack",
            f"{self.name}@{self.version}",
            "--silent",
            "--pack-destination",
            str(FOLDER),
        ]
        subprocess.run(command, check=True, timeout=120)
