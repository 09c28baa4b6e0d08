"""The public address of the repository: one setting, written into every place that needs it.

The setting is ``[tool.cnn-companion]`` in ``pyproject.toml``. The site's configuration, the README, the
citation file and the pages need the same address, and none of them can read a setting: this script rewrites
them all. It also gives every notebook its first code cell, which gets the package on Colab.

Usage: ``python book/tools/address.py --owner alice`` (and ``--repository name``, unless it keeps its name);
without either, only notebooks that lack the first cell change. ``--expect alice/name`` changes nothing and
exits with status 1 if that is not the address.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Path("pyproject.toml")

# Folders that a copy without git may contain and that nobody writes by hand.
NOT_SOURCE = {"_build", "node_modules", "__pycache__", "data", "runs"}

OWNER = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")
REPOSITORY = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
HOSTS = r"(?:github\.com|raw\.githubusercontent\.com|mybinder\.org/v2/gh|colab\.research\.google\.com/github)"

# A clone and not only the package, because the stored results are in the repository. The last line is for the
# running Python, which does not notice an editable install.
GET_CNNKIT = """\
# Gets the book's package where it is missing, as on Colab. Else does nothing.
import importlib.util
import os
import subprocess
import sys

if importlib.util.find_spec("cnnkit") is None:
    repository = "https://github.com/{address}"
    in_clone = os.path.exists("../cnnkit/__init__.py")
    folder = os.path.abspath(".." if in_clone else "{address.repository}")
    if not os.path.exists(folder):
        if "NOT-SET" in repository:
            raise ImportError(
                "This notebook needs cnnkit, and the address of its repository is not "
                "set. Run `pip install -e .` in a copy of the repository. Whoever "
                "publishes the book sets the address: make address OWNER=account"
            )
        print("Getting cnnkit from", repository)
        clone = ["git", "clone", "--quiet", "--depth", "1", repository, folder]
        subprocess.run(clone, check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "-e", folder]
    subprocess.run(install, check=True)
    sys.path.append(folder)"""
GET_CNNKIT_ID = "get-cnnkit"
GET_CNNKIT_METADATA = {
    "jupyter": {"source_hidden": True},
    "mystnb": {
        "code_prompt_hide": "Hide the code for Colab",
        "code_prompt_show": "Show the code for Colab",
    },
    "tags": ["hide-cell"],
}


@dataclass(frozen=True)
class Address:
    """An owner and a repository on GitHub.

    Raises:
        ValueError: If GitHub would accept no such owner or repository.
    """

    owner: str
    repository: str

    def __post_init__(self) -> None:
        if not OWNER.fullmatch(self.owner) or len(self.owner) > 39:
            raise ValueError(
                f"owner={self.owner!r} is no GitHub account: expected 1 to 39 letters, digits and single "
                "hyphens, with no hyphen first or last"
            )
        if not REPOSITORY.fullmatch(self.repository):
            raise ValueError(
                f"repository={self.repository!r} is no repository name: expected 1 to 100 letters, digits, "
                "'.', '_' and '-'"
            )

    def __str__(self) -> str:
        return f"{self.owner}/{self.repository}"


def read_address(root: Path = ROOT) -> Address:
    """Returns the address that ``pyproject.toml`` states.

    Raises:
        ValueError: If the setting is missing or invalid.
    """
    with (root / SETTINGS).open("rb") as file:
        setting = tomllib.load(file).get("tool", {}).get("cnn-companion", {})
    if not {"owner", "repository"} <= setting.keys():
        raise ValueError(f"{SETTINGS}: [tool.cnn-companion] must set owner and repository, got {setting!r}")
    return Address(setting["owner"], setting["repository"])


def text_files(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yields path and text of every source file: what git does not ignore; without git, all files."""
    for path in sorted(_source_paths(root)):
        try:
            text = path.read_bytes().decode("utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # a picture; or deleted, but not yet for git
            continue
        if "\0" not in text:
            yield path, text


def mentioned_addresses(text: str, repository: str) -> list[str]:
    """Returns every ``owner/repository`` that the text links to and that has this name, or such a site."""
    name = re.escape(repository)
    links = re.finditer(rf"{HOSTS}/([\w-]+)/{name}(?![\w-])", text)
    sites = re.finditer(rf"(?<![\w-])([\w-]+)\.github\.io/{name}(?![\w-])", text)
    return [f"{match[1]}/{repository}" for match in (*links, *sites)]


def replace_address(text: str, old: Address, new: Address) -> str:
    """Returns the text with every link to the old address, and the name of its clone, made new."""
    owner, name = re.escape(old.owner), re.escape(old.repository)
    text = re.sub(rf"(?<![\w-]){owner}/{name}(?![\w-])", str(new), text)
    text = re.sub(
        rf"(?<![\w-]){owner}\.github\.io/{name}(?![\w-])", f"{new.owner}.github.io/{new.repository}", text
    )
    return re.sub(rf"(?m)^([ \t]*cd ){name}(?=\r?$)", rf"\g<1>{new.repository}", text)


def with_first_cell(text: str, address: Address) -> str:
    """Returns a notebook's text with `GET_CNNKIT` for this address as its first code cell."""
    notebook = json.loads(text)
    cells: list[dict[str, Any]] = notebook["cells"]
    own = next((cell for cell in cells if cell.get("id") == GET_CNNKIT_ID), None)
    if own is None:
        own = {"cell_type": "code", "execution_count": None, "id": GET_CNNKIT_ID, "outputs": []}
    else:
        cells.remove(own)
    own["metadata"] = GET_CNNKIT_METADATA
    own["source"] = GET_CNNKIT.format(address=address).splitlines(keepends=True)
    first = next((place for place, cell in enumerate(cells) if cell["cell_type"] == "code"), len(cells))
    cells.insert(first, own)
    # as nbformat writes it
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def set_address(new: Address, root: Path = ROOT) -> list[Path]:
    """Writes the address into the setting and into every source file that mentions the old one.

    A notebook that lacks the first cell gets it; its outputs are then to be stored again.

    Returns:
        The changed files, relative to ``root``.
    """
    old = read_address(root)
    changed = []
    for path, text in text_files(root):
        replaced = replace_address(text, old, new)
        if path == root / SETTINGS:
            replaced = _replace_setting(replaced, new)
        if path.suffix == ".ipynb":
            replaced = with_first_cell(replaced, new)
        if replaced != text:
            _write(path, replaced)
            changed.append(path.relative_to(root))
    return changed


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Runs the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description="Set the public address of the repository, everywhere.")
    parser.add_argument("--owner", help="the GitHub account or organisation")
    parser.add_argument("--repository", help="the repository's name; left out, it stays")
    parser.add_argument("--expect", metavar="OWNER/REPOSITORY", help="only check that this is the address")
    options = parser.parse_args(arguments)
    try:
        current = read_address(root)
        if options.expect is not None:
            return _compare(options.expect, current)
        new = Address(options.owner or current.owner, options.repository or current.repository)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    changed = set_address(new, root)
    for path in changed:
        print(f"rewritten: {path.as_posix()}")
    if new == current:
        print(f"The address is {current}. To change it: make address OWNER=your-account")
    else:
        print(f"The address is now {new}: {len(changed)} files changed.")
    return 0


def _compare(expected: str, current: Address) -> int:
    if expected.lower() == str(current).lower():  # GitHub ignores the case of both
        return 0
    owner, _, repository = expected.partition("/")
    print(
        f"The pages link to {current}, but the repository is {expected}. "
        f"Run: make address OWNER={owner} REPOSITORY={repository}",
        file=sys.stderr,
    )
    return 1


def _source_paths(root: Path) -> list[Path]:
    if (root / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listing = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode("utf-8")
        return [root / name for name in listing.split("\0") if name]
    return [path for path in root.rglob("*") if path.is_file() and _is_source(path.relative_to(root))]


def _is_source(path: Path) -> bool:
    def generated(folder: str) -> bool:
        return folder in NOT_SOURCE or folder.endswith((".egg-info", "_cache")) or folder in {".venv", ".git"}

    return not any(generated(folder) for folder in path.parts[:-1])


def _replace_setting(text: str, new: Address) -> str:
    head, section, rest = text.partition("[tool.cnn-companion]")
    rest = re.sub(r'(?m)^owner = ".*"', f'owner = "{new.owner}"', rest, count=1)
    rest = re.sub(r'(?m)^repository = ".*"', f'repository = "{new.repository}"', rest, count=1)
    return head + section + rest


def _write(path: Path, text: str) -> None:
    mode = path.stat().st_mode
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
        file.write(text.encode("utf-8"))
    os.chmod(file.name, mode)
    os.replace(file.name, path)


if __name__ == "__main__":
    sys.exit(main())
