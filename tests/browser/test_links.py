"""Every link of the built site that leads to a page of it leads to a place that exists."""

import urllib.parse
from html.parser import HTMLParser
from pathlib import Path

import pytest
from built_site import built_pages


class Places(HTMLParser):
    """What a page links to, and the places on it that can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {"", "top"}  # which browsers know on every page
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note the link and the place of a tag."""
        given = dict(attributes)
        if tag == "a" and given.get("href"):
            self.links.add(str(given["href"]))
        self.places |= {str(given[key]) for key in ("id", "name") if given.get(key)}


def broken_links(site: Path, pages: list[str]) -> list[str]:
    """Links whose page or whose place on the page does not exist, each with the page that has it."""
    read = {(site / name).resolve(): Places(site / name) for name in pages}
    broken = []
    for path, page in read.items():
        for link in page.links:
            address = urllib.parse.urlparse(link)
            if address.scheme or address.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(address.path)).resolve() if address.path else path
            place = urllib.parse.unquote(address.fragment)
            if not target.is_file() or (target in read and place not in read[target].places):
                broken.append(f"{path.name}: {link}")
    return sorted(broken)


def test_every_internal_link_leads_to_a_place(site: Path) -> None:
    assert broken_links(site, [*built_pages(), "index.html"]) == []


@pytest.mark.parametrize(
    ("link", "broken"),
    [
        ("b.html#here", False),
        ("#start", False),
        ("#", False),
        ("https://example.org/none#x", False),
        ("b.html#gone", True),
        ("c.html", True),
        ("#gone", True),
    ],
)
def test_a_broken_link_is_found(tmp_path: Path, link: str, broken: bool) -> None:
    (tmp_path / "a.html").write_text(f'<h1 id="start">A</h1><a href="{link}">b</a>', encoding="utf-8")
    (tmp_path / "b.html").write_text('<h1 id="here">B</h1>', encoding="utf-8")
    assert broken_links(tmp_path, ["a.html", "b.html"]) == ([f"a.html: {link}"] if broken else [])
