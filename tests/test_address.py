"""The repository's public address is one setting, and every file agrees with it."""

import json
import shutil
import subprocess
import sys

import pytest

from book.tools.address import (
    GET_CNNKIT,
    GET_CNNKIT_ID,
    GET_CNNKIT_METADATA,
    ROOT,
    Address,
    main,
    mentioned_addresses,
    read_address,
    replace_address,
    set_address,
    text_files,
    with_first_cell,
)

SITE = "github" + ".io"  # in two parts, so that the examples of this file are no links themselves
HUB = "github" + ".com"
NEW = Address("alice", "my-nets")
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
MUST_LINK = ("pyproject.toml", "_config.yml", "README.md", "CITATION.cff")


@pytest.fixture
def copy(tmp_path):
    """A copy of the sources without git."""
    for path, _ in text_files(ROOT):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return tmp_path


def addresses_of(root):
    """Every address that a source file links to, by file."""
    name = read_address(root).repository
    found = {path: mentioned_addresses(text, name) for path, text in text_files(root)}
    return {path.relative_to(root).as_posix(): owners for path, owners in found.items() if owners}


def test_every_file_agrees_with_the_setting():
    setting = str(read_address())
    strangers = {path: set(found) - {setting} for path, found in addresses_of(ROOT).items()}
    assert {path: found for path, found in strangers.items() if found} == {}


@pytest.mark.parametrize("path", MUST_LINK)
def test_the_places_that_need_the_address_have_it(path):
    assert path in addresses_of(ROOT)


def test_rewriting_reaches_every_place(copy):
    before = addresses_of(copy)
    old = read_address(copy)
    changed = set_address(NEW, copy)
    assert read_address(copy) == NEW
    assert {path.as_posix() for path in changed} >= set(before)
    assert set().union(*addresses_of(copy).values()) == {str(NEW)}
    assert [path for path, text in text_files(copy) if str(old) in text] == []
    assert [path for path, text in text_files(copy) if f"{old.owner}.{SITE}" in text] == []
    if old.owner == "OWNER" + "-NOT-SET":
        assert [path for path, text in text_files(copy) if old.owner in text] == []


def test_there_and_back_changes_nothing(copy):
    old = read_address(copy)
    before = {path: text for path, text in text_files(copy)}
    set_address(NEW, copy)
    set_address(old, copy)
    assert {path: text for path, text in text_files(copy)} == before


def test_links_of_others_stay():
    old, new = Address("alice", "cnns"), Address("bob", "nets")
    others = f"alice {HUB}/malice/cnns {HUB}/alice/cnns-old {HUB}/alice/other mal-alice.{SITE}/cnns"
    assert replace_address(others, old, new) == others
    ours = f"https://{HUB}/alice/cnns.git {HUB}/alice/cnns/issues https://alice.{SITE}/cnns/\ncd cnns\n"
    expected = f"https://{HUB}/bob/nets.git {HUB}/bob/nets/issues https://bob.{SITE}/nets/\ncd nets\n"
    assert replace_address(ours, old, new) == expected


def test_a_stranger_is_found():
    text = f"{HUB}/alice/cnns mybinder.org/v2/gh/bob/cnns/main https://carol.{SITE}/cnns/ {HUB}/dave/else"
    assert mentioned_addresses(text, "cnns") == ["alice/cnns", "bob/cnns", "carol/cnns"]


@pytest.mark.parametrize(
    "owner", ["", "-alice", "alice-", "al--ice", "al ice", "al/ice", "a" * 40, "al_ice", "é"]
)
def test_an_impossible_owner_is_refused(owner):
    with pytest.raises(ValueError, match="is no GitHub account: expected 1 to 39"):
        Address(owner, "cnns")


@pytest.mark.parametrize("repository", ["", ".", "..", "a b", "a/b", "a" * 101])
def test_an_impossible_repository_is_refused(repository):
    with pytest.raises(ValueError, match="is no repository name"):
        Address("alice", repository)


def first_code_cell(text):
    return next(cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda page: page.stem)
def test_a_notebook_gets_the_package_first(page):
    cell = first_code_cell(page.read_text(encoding="utf-8"))
    assert "".join(cell["source"]) == GET_CNNKIT.format(address=read_address()), "run: make address"
    assert cell["metadata"] == GET_CNNKIT_METADATA
    assert cell["outputs"] == []


def test_the_first_cell_is_added_moved_and_renewed(copy):
    page = copy / "book" / NOTEBOOKS[0].name
    text = page.read_text(encoding="utf-8")
    notebook = json.loads(text)
    others = [cell for cell in notebook["cells"] if cell.get("id") != GET_CNNKIT_ID]
    own = {**first_code_cell(with_first_cell(text, NEW)), "source": ["import old"], "metadata": {}}
    for cells in (others, [*others, own], [own, *others]):
        page.write_text(json.dumps({**notebook, "cells": cells}), encoding="utf-8")
        assert main([], copy) == 0
        renewed = page.read_text(encoding="utf-8")
        cell = first_code_cell(renewed)
        assert "".join(cell["source"]) == GET_CNNKIT.format(address=read_address(copy))
        assert cell["metadata"] == GET_CNNKIT_METADATA
        left = json.loads(renewed)["cells"]
        assert left[0]["cell_type"] == "markdown"  # a page begins with its title
        assert [other for other in left if other != cell] == others


def test_a_refused_owner_changes_nothing(copy, capsys):
    before = {path: text for path, text in text_files(copy)}
    assert main(["--owner", "not an account"], copy) == 1
    assert "owner='not an account'" in capsys.readouterr().err
    assert {path: text for path, text in text_files(copy)} == before


def test_the_command_line(copy, capsys):
    assert main([], copy) == 0
    assert "make address OWNER=" in capsys.readouterr().out
    assert main(["--owner", "alice"], copy) == 0
    name = read_address(copy).repository
    assert read_address(copy) == Address("alice", name)
    assert main(["--expect", f"Alice/{name}"], copy) == 0
    assert main(["--expect", "bob/nets"], copy) == 1
    assert "make address OWNER=bob REPOSITORY=nets" in capsys.readouterr().err


def test_a_missing_setting_is_named(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n", encoding="utf-8")
    with pytest.raises(ValueError, match="must set owner and repository"):
        read_address(tmp_path)


def test_the_script_needs_no_installed_package():
    command = [
        sys.executable,
        "-I",
        "-S",
        str(ROOT / "book/tools/address.py"),
        "--expect",
        str(read_address()),
    ]
    assert subprocess.run(command, check=False).returncode == 0
