"""The first cell of the notebooks gets cnnkit where it is missing, and what Binder installs is enough.

The environment is a new one that sees the packages of this one, but not cnnkit; the repository is a local one.
So no network is needed: what a real Colab or Binder does beyond that, no test here knows.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv

import nbformat
import pytest

from book.tools.address import GET_CNNKIT, ROOT, Address

ADDRESS = Address("alice", "cnns")
LINK = f"https://{'github'}.com/{ADDRESS}"
READS = """
import cnnkit
from cnnkit.data import fashion_mnist_2000, mnist5k
from cnnkit.notebook import experiment, stored_result

print(cnnkit.__file__)
print(len(mnist5k().train), len(fashion_mnist_2000().train))
print(stored_result("hidden-filter")["settings"] == experiment("hidden-filter").SETTINGS)
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A git repository with the package and the stored results as they are here."""
    folder = tmp_path_factory.mktemp("remote") / ADDRESS.repository
    rubbish = shutil.ignore_patterns("__pycache__")
    for name in ("cnnkit", "benchmarks", ".binder"):
        shutil.copytree(ROOT / name, folder / name, ignore=rubbish)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(folder)]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    return folder


@pytest.fixture
def python(tmp_path):
    """A function that runs code in a new environment without cnnkit, in a folder; it gives the ended process."""
    venv.create(tmp_path / "environment")
    scripts = tmp_path / "environment" / ("Scripts" if os.name == "nt" else "bin")
    program = scripts / ("python.exe" if os.name == "nt" else "python")
    # offline, with the setuptools that is there; 0 is right: pip reads it as the value of build_isolation
    settings = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | settings

    def run(*arguments, folder):
        return subprocess.run(
            [program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )

    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = run("-c", query, folder=tmp_path).stdout.strip()
    # the .pth files in a folder that a .pth file names are not read, and one of them makes cnnkit importable
    with open(os.path.join(packages, "others.pth"), "w", encoding="utf-8") as file:
        file.write(sysconfig.get_path("purelib"))
    query = (
        "from importlib.util import find_spec as find; print(find('torch') is None, find('cnnkit') is None)"
    )
    assert run("-c", query, folder=tmp_path).stdout == "False True\n"
    return run


def test_the_first_cell_gets_the_package_and_the_stored_results(repository, python, tmp_path):
    cell = GET_CNNKIT.format(address=ADDRESS)
    assert cell.count(LINK) == 1
    code = cell.replace(LINK, repository.as_uri()) + READS
    clone = tmp_path / ADDRESS.repository
    first = python("-c", code, folder=tmp_path)
    assert first.returncode == 0, first.stderr
    announced, *read = first.stdout.splitlines()
    assert announced == f"Getting cnnkit from {repository.as_uri()}"
    assert read == [str(clone / "cnnkit" / "__init__.py"), "4000 1600", "True"]
    # after a restart the package is there, from any folder, and the cell is silent
    (tmp_path / "elsewhere").mkdir()
    again = python("-c", code, folder=tmp_path / "elsewhere")
    assert again.stdout.splitlines() == read, again.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_in_a_clone_the_first_cell_takes_the_package_from_there(repository, python, tmp_path):
    clone = tmp_path / "any name"
    shutil.copytree(repository, clone)
    (clone / "book").mkdir()
    code = GET_CNNKIT.format(address=Address("OWNER" + "-NOT-SET", "cnns")) + READS
    done = python("-c", code, folder=clone / "book")
    assert done.stdout.splitlines()[0] == str(clone / "cnnkit" / "__init__.py"), done.stderr
    assert list((clone / "book").iterdir()) == []


def test_without_an_address_the_first_cell_says_what_to_do(python, tmp_path):
    done = python("-c", GET_CNNKIT.format(address=Address("OWNER" + "-NOT-SET", "cnns")), folder=tmp_path)
    assert done.returncode != 0
    assert "pip install -e ." in done.stderr
    assert "make address OWNER=account" in done.stderr


def test_where_the_package_is_the_first_cell_says_and_does_nothing(tmp_path):
    command = [sys.executable, "-c", GET_CNNKIT.format(address=ADDRESS)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert list(tmp_path.iterdir()) == []


# What Binder installs


def test_pip_can_install_what_binder_asks_for(repository, python):
    done = python("-m", "pip", "install", "--dry-run", "-r", ".binder/requirements.txt", folder=repository)
    assert done.returncode == 0, done.stderr
    assert "Would install cnnkit" in done.stdout


def test_binder_takes_the_same_packages_as_requirements():
    def lines(name):
        text = (ROOT / name).read_text(encoding="utf-8")
        return {line for line in text.splitlines() if line and not line.startswith("#")}

    assert lines(".binder/requirements.txt") <= lines("requirements.txt")
    version = (ROOT / ".binder/runtime.txt").read_text(encoding="utf-8").strip()
    assert version == "python-3.11"  # the version of the stored outputs


def test_notebooks_import_nothing_that_cnnkit_does_not_bring():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {"pillow": "PIL", "scikit-image": "skimage", "scikit-learn": "sklearn"}
    packages = {re.match(r"[\w-]+", requirement)[0] for requirement in project["dependencies"]}
    # Jupyter itself is everywhere where a notebook runs
    known = (
        {names.get(package, package) for package in packages}
        | {"cnnkit", "IPython"}
        | sys.stdlib_module_names
    )
    for page in sorted((ROOT / "book").glob("*.ipynb")):
        for cell in nbformat.read(page, as_version=4).cells:
            if cell.cell_type == "code":
                assert imported(cell.source) <= known, page.name


def imported(source):
    """The packages that a cell imports."""
    found = set()
    for node in ast.walk(ast.parse(re.sub(r"(?m)^\s*[%!].*", "", source))):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module.partition(".")[0])
    return found
