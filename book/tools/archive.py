"""Packs the built site into one zip that opens without a server: unpack it and open its index.html.

The same site gives the same bytes: sorted names, one date, one mode.

Usage: ``python book/tools/archive.py``, after the site was built.
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = Path("_build/html")
# the earliest date that a zip can hold: it says nothing
DATE = (1980, 1, 1, 0, 0, 0)
# what tells Sphinx and GitHub how to build and to serve
NOT_FOR_READERS = {".buildinfo", ".nojekyll"}


def archive(root: Path = ROOT) -> Path:
    """Writes ``_build/NAME-VERSION.zip`` with the folder ``NAME-VERSION``: the built site and its licence.

    Returns:
        The zip.

    Raises:
        FileNotFoundError: If the site was not built.
    """
    site = root / SITE
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{SITE.as_posix()}/index.html is not there: run `make book` first")
    with (root / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    name = f"{settings['tool']['cnn-companion']['repository']}-{settings['project']['version']}"
    files = {
        path.relative_to(site).as_posix(): path
        for path in site.rglob("*")
        if path.is_file() and path.name not in NOT_FOR_READERS
    }
    files["LICENSE"] = root / "LICENSE"
    target = root / "_build" / f"{name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pack:
        for inside, path in sorted(files.items()):
            entry = zipfile.ZipInfo(f"{name}/{inside}", DATE)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on Unix, on every system
            pack.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return target


def main(root: Path = ROOT) -> int:
    """Runs the command line; returns the exit status."""
    try:
        target = archive(root)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    size = target.stat().st_size / 1e6
    print(f"{target.relative_to(root).as_posix()} ({size:.0f} MB): unpack it and open index.html")
    return 0


if __name__ == "__main__":
    sys.exit(main())
