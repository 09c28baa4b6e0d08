"""The bibliography: every entry can be found, by a DOI, an arXiv number, an ISBN or an address."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from pybtex.database import BibliographyData, parse_file, parse_string

REFERENCES = Path(__file__).resolve().parents[1] / "book/references.bib"
ARXIV = r"\d{4}\.\d{4,5}"
FORMS = {
    "doi": re.compile(r"10\.\d{4,9}/\S+"),
    "eprint": re.compile(ARXIV),
    "isbn": re.compile(r"(97[89]-?)?(\d-?){9}[\dX]"),
    "url": re.compile(rf"https://arxiv\.org/abs/{ARXIV}|https://(?!arxiv\.org|(?:dx\.)?doi\.org)\S+"),
}


def problems(bibliography: BibliographyData) -> list[str]:
    """Entries that name no place, whose identifier has not the form of one, or that name the place of another."""
    found, places = [], Counter[str]()
    for key, entry in bibliography.entries.items():
        given = {name: entry.fields[name] for name in FORMS if name in entry.fields}
        if not given:
            found.append(f"{key}: no doi, eprint, isbn or url")
        for name, value in given.items():
            if not FORMS[name].fullmatch(value):
                found.append(f"{key}: {name} = {value}")
        if "eprint" in given and given.get("url", "").rpartition("/")[2] != given["eprint"]:
            found.append(f"{key}: eprint and url differ")
        places.update(set(given.values()))
    return found + [f"{place}: {count} times" for place, count in places.items() if count > 1]


def test_every_entry_says_where_it_can_be_found() -> None:
    assert problems(parse_file(REFERENCES)) == []


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("doi = {10.1109/5.726791}", None),
        ("eprint = {1410.0759}, url = {https://arxiv.org/abs/1410.0759}", None),
        ("isbn = {978-0-262-03561-3}", None),
        ("url = {https://www.deeplearningbook.org}", None),
        ("year = {1998}", "a: no doi, eprint, isbn or url"),
        ("doi = {https://doi.org/10.1109/5.726791}", "a: doi = https://doi.org/10.1109/5.726791"),
        ("url = {https://doi.org/10.1109/5.726791}", "a: url = https://doi.org/10.1109/5.726791"),
        ("url = {https://arxiv.org/pdf/1410.0759}", "a: url = https://arxiv.org/pdf/1410.0759"),
        ("eprint = {1410.0759}, url = {https://arxiv.org/abs/1410.0758}", "a: eprint and url differ"),
    ],
)
def test_an_entry_that_cannot_be_found_is_noticed(fields: str, complaint: str | None) -> None:
    entry = parse_string(f"@misc{{a, title = {{A}}, {fields}}}", "bibtex")
    assert problems(entry) == ([] if complaint is None else [complaint])


def test_two_entries_for_one_paper_are_noticed() -> None:
    twice = parse_string("@misc{a, doi = {10.1000/1}}\n@misc{b, doi = {10.1000/1}}", "bibtex")
    assert problems(twice) == ["10.1000/1: 2 times"]
