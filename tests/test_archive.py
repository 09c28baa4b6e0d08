"""The archive of the site: every file once, in one folder, the same bytes from the same site."""

import shutil
import zipfile

import pytest

from book.tools.address import ROOT
from book.tools.archive import archive, main


@pytest.fixture
def built(tmp_path):
    """A repository with a site of three files."""
    site = tmp_path / "_build" / "html"
    for name, text in (("index.html", "root"), ("book/index.html", "page"), ("_static/ä b.css", "rules")):
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(text, encoding="utf-8")
    (site / ".buildinfo").write_text("Sphinx's", encoding="utf-8")
    shutil.copy(ROOT / "LICENSE", tmp_path)
    settings = '[project]\nversion = "1.2"\n[tool.cnn-companion]\nrepository = "nets"\n'
    (tmp_path / "pyproject.toml").write_text(settings, encoding="utf-8")
    return tmp_path


def test_the_archive_holds_the_site_in_one_folder(built):
    path = archive(built)
    assert path == built / "_build" / "nets-1.2.zip"
    with zipfile.ZipFile(path) as pack:
        names = ["LICENSE", "_static/ä b.css", "book/index.html", "index.html"]
        assert pack.namelist() == [f"nets-1.2/{name}" for name in names]
        assert pack.read("nets-1.2/book/index.html") == b"page"


def test_the_same_site_gives_the_same_bytes(built, tmp_path):
    first = archive(built).read_bytes()
    site = built / "_build" / "html"
    shutil.copytree(site, tmp_path / "copy", copy_function=shutil.copyfile)  # with new dates
    shutil.rmtree(site)
    shutil.copytree(tmp_path / "copy", site, copy_function=shutil.copyfile)
    assert archive(built).read_bytes() == first


def test_without_a_site_nothing_is_packed(built, capsys):
    (built / "_build" / "html" / "index.html").unlink()
    assert main(built) == 1
    assert "run `make book` first" in capsys.readouterr().err
    assert list((built / "_build").glob("*.zip")) == []
