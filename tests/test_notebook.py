"""What notebooks start with: source on the page, stored results."""

import pytest
import torch

from cnnkit import notebook
from cnnkit.reference.conv import conv1d_centred
from cnnkit.shapes import Window


def test_source_is_shown_without_docstring():
    shown = notebook.show_source(conv1d_centred).data
    assert shown.startswith("```python\ndef conv1d_centred(")
    assert shown.endswith("    return f(eta)\n```")
    assert "Implements" not in shown
    both = notebook.show_source(conv1d_centred, Window).data
    assert "\n\n\n@dataclass(frozen=True)\nclass Window:\n    kernel_size: int\n" in both


def only_documented():
    """A function that has nothing but this line."""


def test_source_of_a_function_that_is_only_documented():
    assert notebook.show_source(only_documented).data == "```python\ndef only_documented():\n```"


def test_setup_makes_random_numbers_repeatable():
    notebook.setup()
    first = torch.rand(3)
    notebook.setup()
    assert torch.equal(first, torch.rand(3))
    notebook.setup(seed=1)
    assert not torch.equal(first, torch.rand(3))


def test_experiment_and_result_belong_together():
    result = notebook.stored_result("hidden-filter")
    experiment = notebook.experiment("hidden-filter")
    assert result["settings"] == experiment.SETTINGS
    provenance = notebook.provenance(result).data
    assert provenance.startswith("*20 seeds (0 to 19), ")
    assert provenance.endswith("`python -m benchmarks.experiments.hidden_filter`")


def test_a_measurement_without_seeds_says_how_often_it_was_repeated():
    result = notebook.stored_result("convolution")
    provenance = notebook.provenance(result).data
    assert provenance.startswith(f"*Medians of {result['repeats']} measurements, ")
    assert provenance.endswith("`python -m benchmarks.convolution`")


@pytest.mark.bad_input
def test_missing_results_and_experiments_name_what_there_is(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no stored result 'nothing'; there are: .*hidden-filter"):
        notebook.stored_result("nothing")
    with pytest.raises(FileNotFoundError, match=r"no experiment 'no_thing'; there are: .*hidden_filter"):
        notebook.experiment("no-thing")
    monkeypatch.setattr(notebook, "RESULTS", tmp_path / "gone")
    with pytest.raises(
        FileNotFoundError, match=r"come with the repository, not with the installed package. Clone"
    ):
        notebook.stored_result("hidden-filter")
    for without_source in (len, lambda: 0):
        with pytest.raises(TypeError):
            notebook.show_source(without_source)


def test_live_curves_are_drawn_where_the_last_were(monkeypatch):
    shown = []

    class Place:
        def update(self, figure):
            shown.append([len(line.get_xdata()) for line in figure.axes[0].lines])

    monkeypatch.setattr(notebook, "display", lambda display_id: Place())
    draw = notebook.live_curves()
    record = {"epoch": 1, "train_loss": 2.0, "test_loss": 1.5, "train_accuracy": 0.3, "test_accuracy": 0.5}
    draw([record])
    draw([record, record | {"epoch": 2}])
    assert shown == [[1, 1], [2, 2]]
