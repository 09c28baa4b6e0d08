"""What holds for every figure that reacts: it is whole, small, the same each time, and safe to embed."""

import inspect
import json
import re
import shutil
import subprocess

import pytest

from cnnkit import figures
from cnnkit.figures.figure import SCRIPTS, Figure, grid, source

ALL = {name: getattr(figures, name) for name in figures.__all__}
LARGE = {"digit": 260_000}  # bytes of the scripts and the state; 20,000 for the others


@pytest.mark.parametrize("name", ALL)
def test_output_is_the_same_each_time_and_small(name):
    output = ALL[name]()._repr_html_()
    assert output == ALL[name]()._repr_html_()
    figure = ALL[name]()
    assert isinstance(figure, Figure)
    scripts = sum(len(source(script).encode()) for script in ("core", *figure.scripts, figure.kind))
    assert scripts + len(json.dumps(figure.state)) < LARGE.get(name, 20_000)


@pytest.mark.parametrize("name", ALL)
def test_output_has_all_it_needs_and_asks_the_network_for_nothing(name):
    output = ALL[name]()._repr_html_()
    assert not re.search(
        r"""(src|href)=|\bimport\b *[("']|fetch\(|https?://(?!www\.w3\.org/2000/svg)""", output
    )
    assert output.count("<script") == output.count("</script>")
    state = re.search(r'<script type="application/json">(.*?)</script>', output, re.S)[1]
    assert json.loads(state) == json.loads(json.dumps(ALL[name]().state))
    still = "<ol" if name == "quiz" else "<svg"
    assert still in output.partition("</cnn-")[0], (
        "a picture, or the questions, for readers without JavaScript"
    )


@pytest.mark.parametrize("name", ALL)
def test_docstring_says_what_may_be_given(name):
    text = inspect.getdoc(ALL[name])
    for parameter in inspect.signature(ALL[name]).parameters:
        assert f"{parameter}: " in text


@pytest.mark.parametrize("script", sorted(path.name for path in SCRIPTS.glob("*.js")))
def test_script_can_be_embedded(script):
    text = (SCRIPTS / script).read_text(encoding="utf8")
    assert "</script" not in text
    assert text.startswith("//"), "a comment says what it is"
    # what is embedded has lost its comment lines and its indentation: no template may depend on them
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "--check", "-"], input=source(script[:-3]), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_state_cannot_break_out_of_its_place():
    figure = Figure("x", {"text": "</script><b>"}, label='"', fallback="<", picture="<svg></svg>", scripts=())
    figure = Figure("output-size", figure.state, figure.label, figure.fallback, figure.picture)
    output = figure._repr_html_().partition("</cnn-")[0]
    assert "</script><b>" not in output
    assert 'aria-label="&quot;"' in output
    assert "<p>&lt; (" in output


def test_grid_draws_values_and_leaves_out_none():
    picture = grid([[1, None], [2, "a<"]])
    assert picture.count("<rect") == 3
    assert "a&lt;" in picture
