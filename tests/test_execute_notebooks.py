"""The executor: pinned, normalised, and never a half-written or broken notebook."""

import os

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from book.tools.execute_notebooks import (
    LANGUAGE_INFO,
    ROOT,
    SLOW_CELL_S,
    SLOW_NOTEBOOK_S,
    THREADS,
    Report,
    main,
    normalise,
    process,
    select_pages,
)


def save(path, *cells, **metadata):
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def outputs(path):
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_outputs_are_stored_and_a_second_run_changes_nothing(tmp_path):
    path = save(
        tmp_path / "page.ipynb",
        new_markdown_cell("text"),
        new_code_cell("print('a')\nprint('b')\n6 * 7", execution_count=9, metadata={"collapsed": True}),
        new_code_cell("import os\nos.environ['OMP_NUM_THREADS'], os.getcwd()"),
        kernelspec={"name": "julia", "display_name": "Julia"},
        widgets={"state": {}},
    )
    os.chmod(path, 0o640)
    mode = path.stat().st_mode
    assert process(path).changed
    notebook = nbformat.read(path, as_version=4)
    stream, result = notebook.cells[1].outputs
    assert stream.text == "a\nb\n"
    assert result.data["text/plain"] == "42"
    assert notebook.cells[1].execution_count == 1
    assert notebook.cells[1].metadata == {}
    assert repr(THREADS) in notebook.cells[2].outputs[0].data["text/plain"]
    assert str(tmp_path) in notebook.cells[2].outputs[0].data["text/plain"]
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert path.stat().st_mode == mode
    first = path.read_bytes()
    assert not process(path).changed
    assert path.read_bytes() == first
    assert [file.name for file in tmp_path.iterdir()] == ["page.ipynb"]


def test_a_progress_bar_is_stored_as_it_ended(tmp_path):
    bar = "print('1/2', end='\\r', flush=True)\nprint('2/2')"
    path = save(tmp_path / "page.ipynb", new_code_cell(bar))
    process(path)
    assert outputs(path)[0][0].text == "2/2\n"


def test_the_back_end_of_matplotlib_is_the_notebooks_own(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    path = save(tmp_path / "page.ipynb", new_code_cell("import os\nprint(os.environ['MPLBACKEND'])"))
    process(path)
    assert "inline" in outputs(path)[0][0].text


def test_an_error_keeps_the_old_file_and_is_named(tmp_path, capsys):
    broken = save(tmp_path / "broken.ipynb", new_code_cell("x = 1"), new_code_cell("# a comment\n1 / 0"))
    save(tmp_path / "works.ipynb", new_code_cell("print('still executed')"))
    before = broken.read_bytes()
    assert main([], tmp_path) == 1
    assert broken.read_bytes() == before
    assert outputs(tmp_path / "works.ipynb")[0][0].text == "still executed\n"
    captured = capsys.readouterr()
    assert "broken.ipynb: cell 1 ('# a comment') raised ZeroDivisionError: division by zero" in captured.err
    assert "1 failed" in captured.out


def test_a_dead_kernel_is_an_error(tmp_path, capsys):
    save(tmp_path / "dies.ipynb", new_code_cell("import os\nos._exit(1)"))
    assert main([], tmp_path) == 1
    assert "ended the kernel" in capsys.readouterr().err


def test_an_announced_error_is_stored_without_this_machines_paths(tmp_path):
    code = "from book.tools.address import Address\nAddress('-', 'x')"
    cell = new_code_cell(f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{code}")
    cell.metadata.tags = ["raises-exception"]
    path = save(tmp_path / "page.ipynb", cell)
    process(path)
    error = outputs(path)[0][-1]
    assert error.ename == "ValueError"
    frames = "\n".join(error.traceback)
    assert "address.py" in frames
    assert f"{ROOT}{os.sep}book" not in frames


def test_a_page_is_selected_by_name(tmp_path):
    for name in ("pooling", "resnet"):
        save(tmp_path / f"{name}.ipynb")
    assert [path.stem for path in select_pages([], tmp_path)] == ["pooling", "resnet"]
    for name in ("resnet", "resnet.ipynb", "book/resnet.ipynb"):
        assert [path.stem for path in select_pages([name], tmp_path)] == ["resnet"]


def test_an_unknown_page_lists_those_there_are(tmp_path, capsys):
    save(tmp_path / "pooling.ipynb")
    save(tmp_path / "resnet.ipynb")
    assert main(["poolin"], tmp_path) == 2
    assert "PAGE='poolin'" in (message := capsys.readouterr().err)
    assert "expected one of pooling, resnet" in message


def test_normalising_keeps_what_an_author_wrote():
    tags = {"tags": ["hide-input"], "mystnb": {"image": {"alt": "a row"}}}
    notebook = new_notebook(cells=[new_code_cell("1", metadata={**tags, "ExecuteTime": {}}, id="mine")])
    notebook.cells.append(new_code_cell("2", id="mine"))
    notebook.metadata.language_info = {"name": "python", "version": "3.11.7"}
    normalise(notebook)
    assert notebook.cells[0].metadata == tags
    assert [cell.id for cell in notebook.cells] == ["mine", "cell-1"]
    assert notebook.metadata.language_info == LANGUAGE_INFO
    nbformat.validate(notebook)


def test_a_widgets_random_id_is_not_stored():
    notebook = new_notebook(cells=[new_code_cell("w")])
    view = {"text/plain": "IntSlider()", "application/vnd.jupyter.widget-view+json": {"model_id": "8f3"}}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data=view)]
    normalise(notebook)
    assert notebook.cells[0].outputs[0].data == {"text/plain": "IntSlider()"}


def test_a_report_warns_of_what_is_slow():
    assert len(Report("page.ipynb", SLOW_NOTEBOOK_S, 3, SLOW_CELL_S, changed=True).lines()) == 1
    lines = Report("page.ipynb", SLOW_NOTEBOOK_S + 1, 3, SLOW_CELL_S + 1, changed=True).lines()
    assert len(lines) == 3
    assert "cell 3 took more than 30 s" in lines[1]


def test_nbval_runs_with_the_same_threads():
    assert f"export OMP_NUM_THREADS := {THREADS}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert f"OMP_NUM_THREADS={THREADS} pytest --nbval" in (ROOT / "README.md").read_text(encoding="utf-8")
