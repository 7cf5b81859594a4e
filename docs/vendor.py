"""Fetch the files of other projects that the console serves, and that its tests use: python docs/vendor.py.

They come from npm, and their archives are checked by their SHA-256. Each is in a folder ``NAME-VERSION`` with its
licence, and THIRD_PARTY.md lists it. ``--check`` fetches nothing, and exits with 1 if a file is not the listed one.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SERVED, TESTS = ROOT / "assist_cli/web/static/vendor", ROOT / "tests/vendor"


@dataclass(frozen=True)
class Package:
    """A package of npm: the SHA-256 of its archive, and the wanted files in it with theirs."""

    name: str
    version: str
    archive: str
    files: dict[str, str]
    place: Path = SERVED

    @property
    def folder(self) -> Path:
        return self.place / f"{self.name.rpartition('/')[2]}-{self.version}"


PACKAGES = (
    Package(
        "@picocss/pico",
        "2.1.1",
        "4affbb56f49df6d5325610b06762156f1dcdbc6ef57cea5c136d7e8a00a8cd24",
        {
            "css/pico.classless.min.css": "61207a40ffc02a42d1e50143651c121beab70ed413c934c1ff84fa263ba436b0",
            "LICENSE.md": "afaff063e044233f917b7807dccab022f09dca474f92b642846bee4850655bbf",
        },
    ),
    Package(
        "axe-core",
        "4.14.1",
        "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745",
        {
            "axe.min.js": "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
            "LICENSE": "af175b9d96ee93c21a036152e1b905b0b95304d4ae8c2c921c7609100ba8df7e",
            "LICENSE-3RD-PARTY.txt": "4f8563870d0fca38bbc3e00b6f670cb7fa9f380ba9f26a7f7d1184a6b18b1653",
        },
        TESTS,
    ),
)


def main() -> int:
    wrong = [path for package in PACKAGES for path in check(package)]
    if "--check" in sys.argv:
        for path in wrong:
            print(f"{path} is not the listed file: python docs/vendor.py", file=sys.stderr)  # noqa: T201
        return 1 if wrong else 0
    for package in PACKAGES:
        fetch(package)
    return 0


def check(package: Package) -> list[Path]:
    """Return the files of a package that are missing or changed."""
    return [
        path
        for file, digest in package.files.items()
        if not (path := package.folder / Path(file).name).is_file() or _sha256(path) != digest
    ]


def fetch(package: Package) -> None:
    """Download a package, and replace its files. Raises SystemExit for an unexpected archive."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["npm", "pack", "--silent", "--pack-destination", folder, f"{package.name}@{package.version}"]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).iterdir()
        if _sha256(archive) != package.archive:
            raise SystemExit(f"{package.name} {package.version} is not the listed archive: {_sha256(archive)}")
        package.folder.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as files:
            for file in package.files:
                found = files.extractfile(f"package/{file}")
                assert found is not None
                (package.folder / Path(file).name).write_bytes(found.read())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
