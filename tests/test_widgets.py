"""Experiments with a kernel: what they compute, and what their controls do, without a browser."""

import asyncio
import base64
import datetime
import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from cnnkit import widgets
from cnnkit.data import Examples
from cnnkit.functional.conv import conv2d
from cnnkit.train import Diverged, pretrained

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# ---------------------------------------------------------------------- training in view
@pytest.fixture(scope="module")
def digits():
    return widgets.normalised_digits()


def moments(digits, build=lambda: widgets.network_with_batch_norm(True), **options):
    train, test = digits
    settings = {"step_size": 0.1, "steps": 25, "every": 10} | options
    return list(widgets.train_in_view(build, train, [test], **settings))


def test_digits_are_normalised_by_the_training_set(digits):
    train, test = digits
    assert (len(train), len(test)) == (4000, 1000)
    assert train.x.mean().abs() < 1e-5
    assert (train.x.var() - 1).abs() < 1e-3
    assert test.x.mean().abs() > 1e-3


def test_moments_come_every_few_steps_and_at_the_end(digits):
    found = moments(digits)
    assert [moment.step for moment in found] == [10, 20, 25]
    assert found[-1].loss < found[0].loss
    assert found[-1].accuracies[0] > 0.8


def test_the_seed_alone_decides(digits):
    def build():
        return widgets.network_with_dropout(0.5)

    train, test = digits
    first = moments(digits, build)
    torch.manual_seed(99)
    state = torch.get_rng_state()
    again = []
    for moment in widgets.train_in_view(build, train, [test], step_size=0.1, steps=25):
        again.append(moment)
        torch.rand(3)  # another cell runs in between
    assert again == first
    assert moments(digits, build, seed=1) != first
    torch.set_rng_state(state)
    moments(digits, build)
    assert torch.equal(torch.get_rng_state(), state)


def test_it_is_plain_gradient_descent():
    """One step on one batch, by hand: w - alpha times the gradient."""
    x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    nets = []

    def build():
        nets.append(nn.Linear(4, 3))
        return nets[0]

    run = widgets.train_in_view(build, Examples(x, y), [], step_size=0.5, steps=2, every=1)
    next(run)
    before = [p.detach().clone().requires_grad_() for p in nets[0].parameters()]
    loss = nn.functional.cross_entropy(nn.functional.linear(x, *before), y)
    moment = next(run)
    assert moment.loss == pytest.approx(loss.item(), rel=1e-5)
    for now, was, gradient in zip(
        nets[0].parameters(), before, torch.autograd.grad(loss, before), strict=True
    ):
        torch.testing.assert_close(now, was - 0.5 * gradient)


def test_accuracy_is_that_at_test_time(digits):
    train, _ = digits
    few = Examples(train.x[:40], train.y[:40])
    kept = []

    def build():
        kept.append(widgets.network_with_dropout(0.9))
        return kept[0]

    (moment,) = widgets.train_in_view(build, few, [few], step_size=0.01, steps=1)
    assert kept[0].training
    with torch.no_grad():
        right = (kept[0].eval()(few.x).argmax(1) == few.y).double().mean().item()
    assert moment.accuracies == (right,)


def test_batches_of_one_are_left_out():
    """5 examples in batches of 2: batch norm could not train on the last one."""
    examples = Examples(torch.randn(5, 3), torch.tensor([0, 1, 0, 1, 0]))

    def build():
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    assert len(list(widgets.train_in_view(build, examples, [], step_size=0.1, steps=9, batch_size=2))) == 1


@pytest.mark.bad_input
def test_a_step_size_that_is_far_too_large_says_so(digits):
    with pytest.raises(Diverged, match=r"no longer finite in step \d+, at step size 1e\+30"):
        moments(digits, lambda: widgets.network_with_batch_norm(False), step_size=1e30)


def test_networks_differ_in_what_they_are_named_after():
    plain, normed = (widgets.network_with_batch_norm(b) for b in (False, True))
    assert sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in normed) == 3
    assert [type(m) for m in normed if not isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)] == list(
        map(type, plain)
    )
    assert [m.p for m in widgets.network_with_dropout(0.3) if isinstance(m, nn.Dropout)] == [0.3, 0.3]
    for net in (plain, normed, widgets.network_with_dropout(0.3)):
        assert net(torch.zeros(2, 1, 28, 28)).shape == (2, 10)


# ---------------------------------------------------------------------- pictures
def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def read(image, kind="PNG", **options):
    return widgets.read_picture(encoded(image, kind, **options))


def test_grey_is_the_mean_of_the_colours():
    image = Image.new("RGB", (7, 6), (255, 51, 0))
    torch.testing.assert_close(read(image), torch.full((6, 7), 0.4))


def test_transparent_pixels_become_white():
    image = Image.new("RGBA", (6, 6), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 3, 6))
    assert read(image)[0].tolist() == [0, 0, 0, 1, 1, 1]


def test_palettes_are_looked_up_and_their_transparency_too():
    image = Image.new("P", (6, 6), 1)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    image.paste(2, (0, 0, 6, 3))
    torch.testing.assert_close(read(image), torch.full((6, 6), 1 / 3))
    assert read(image, transparency=1)[:, 0].tolist() == pytest.approx([1 / 3] * 3 + [1] * 3)


def test_of_sixteen_bits_the_upper_eight_count():
    values = np.linspace(0, 65535, 36).astype(np.uint16).reshape(6, 6)
    content = encoded(Image.fromarray(values))
    assert content[24] == 16  # the file's own word for its depth
    found = widgets.read_picture(content)
    np.testing.assert_allclose(found, values / 65535, atol=1 / 255)
    assert found.unique().numel() > 30


def test_a_photograph_on_its_side_is_turned_upright():
    image = Image.new("L", (20, 10), 255)
    image.paste(0, (0, 0, 20, 5))  # the upper half is black
    rotated = Image.Exif()
    rotated[0x0112] = 6  # shown a quarter turn clockwise: what is on top goes to the right
    found = read(image, "JPEG", exif=rotated)
    assert found.shape == (20, 10)
    assert found[:, 7:].mean() < 0.1
    assert found[:, :3].mean() > 0.9


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "1"), ("PNG", "LA"), ("GIF", "P"), ("TIFF", "F")],
)
def test_other_kinds_are_read(kind, mode):
    found = read(Image.new("L", (8, 6), 255).convert(mode), kind)
    assert found.shape == (6, 8)
    assert found.min() > 0.98


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_huge_picture_is_reduced(kind):
    image = Image.new("L", (6000, 3000))
    image.paste(255, (3000, 0, 6000, 3000))
    found = read(image, kind)
    assert found.shape == (256, 512)
    assert found[:, :250].max() < 0.05
    assert found[:, 262:].min() > 0.95


def bomb(side):
    """A PNG of one kilobyte that says it has side x side pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"0"))
        + chunk(b"IEND", b"")
    )


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "a.png is not a picture that can be read. Expected a picture such as PNG or JPEG"),
        (b"Dear diary", "a.png is not a picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.png is not a picture that can be read"),
        (encoded(Image.new("L", (300, 300)))[:90], "a.png is damaged"),
        (bomb(8000), "a.png must have at most 50 million pixels"),
        (bomb(30000), "a.png must have at most 50 million pixels"),
        (encoded(Image.new("L", (4, 9))), r"at least 5 pixels on each side .*; got 4 by 9"),
        (encoded(Image.new("L", (9000, 20))), r"at least 5 pixels on each side .*; got 9000 by 20"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(content, complaint):
    with pytest.raises(ValueError, match=complaint):
        widgets.read_picture(content, "a.png")


def test_nothing_is_written_to_stderr(capsys, recwarn):
    with pytest.raises(ValueError, match="50 million"):
        widgets.read_picture(bomb(10000))
    assert capsys.readouterr().err == ""
    assert list(recwarn) == []


def test_a_mask_is_slid_over_the_picture():
    picture, mask = torch.rand(6, 7), torch.randn(3, 3)
    expected = nn.functional.conv2d(picture[None, None], mask[None, None])[0, 0]
    torch.testing.assert_close(widgets.filter_picture(picture, mask), expected)


@pytest.mark.bad_input
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_mask_must_be_finite(bad):
    with pytest.raises(ValueError, match=f"must be finite numbers; got .*{bad}"):
        widgets.filter_picture(torch.rand(6, 7), torch.full((3, 3), bad))


def test_the_learned_filters_are_those_of_the_shipped_network():
    model = pretrained(device="cpu").model
    assert torch.equal(widgets.first_layer_filters(), model.features[0].weight[:, 0])


# ---------------------------------------------------------------------- drawings
def test_the_last_run_is_strong_and_the_others_pale():
    runs = [
        widgets.Run(
            f"run {k}",
            [widgets.Moment(10, 2.0, (0.3,)), widgets.Moment(20, 1.0, (0.5,))],
            {"batch norm": k == 1},
        )
        for k in range(3)
    ]
    figure = widgets.draw_curves(runs)
    loss, accuracy = figure.axes
    assert [line.get_alpha() for line in loss.lines] == [0.4, 0.4, 1.0]
    assert [line.get_linestyle() for line in accuracy.lines] == ["--", "-", "--"]
    assert accuracy.lines[0].get_ydata().tolist() == [0.3, 0.5]
    assert [text.get_text() for text in figure.legends[0].texts] == ["run 0", "run 1", "run 2"]


def test_a_gap_is_drawn_from_test_to_training_accuracy():
    run = widgets.Run("one", [widgets.Moment(25, 1.0, (0.9, 0.6))], {"rate": 0.5, "images": 300})
    curves, gaps = widgets.draw_gaps([run]).axes
    assert [line.get_ydata()[0] for line in curves.lines] == [0.9, 0.6]
    assert (list(gaps.lines[0].get_xdata()), list(gaps.lines[0].get_ydata())) == ([0.5, 0.5], [0.6, 0.9])


def test_without_runs_the_axes_are_empty():
    for draw in (widgets.draw_curves, widgets.draw_gaps):
        assert [len(ax.lines) for ax in draw([]).axes] == [0, 0]


def test_answers_are_grey_where_the_weights_sum_to_one():
    picture = torch.rand(8, 9)
    for weights, cmap in ((torch.full((3, 3), 1 / 9), "gray"), (torch.ones(3, 3), "blue-white-orange")):
        figure = widgets.draw_answers(picture, weights, conv2d(picture[None], weights[None, None])[0])
        assert figure.axes[2].images[0].get_cmap().name == cmap
    flat = widgets.draw_answers(picture, torch.zeros(3, 3), torch.zeros(6, 7))
    assert flat.axes[2].images[0].get_clim() == (-1, 1)


# ---------------------------------------------------------------------- the widgets
def in_a_thread(function, *arguments):
    """Playwright, where the same process has run browser tests before, keeps an event loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(function, *arguments).result()


def driven(act):
    """Run what a reader does, where a kernel's event loop would run it."""
    in_a_thread(asyncio.run, act())


async def until(condition):
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen within half a minute")


@pytest.fixture
def curves():
    return widgets.StepSizes(first=(), steps=30)


def test_default_runs_are_there_from_the_start_as_widget_and_as_picture():
    experiment = widgets.StepSizes(first=[(0.3, False), (0.1, True)], steps=10)
    assert [run.name for run in experiment.runs] == [
        "step size 0.3, no batch norm",
        "step size 0.1, batch norm",
    ]
    assert (experiment.step_size.value, experiment.batch_norm.value) == (0.1, True)
    bundle = experiment._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/svg+xml", VIEW}
    assert bundle["text/plain"] == experiment.summary
    assert "test accuracy" in experiment.summary.splitlines()[1]
    assert "<svg" in bundle["image/svg+xml"]
    assert "step size 0.3, no batch norm: 10 steps" in experiment._picture.value


def test_train_lets_the_curve_grow(curves):
    seen = []
    curves._picture.observe(lambda change: seen.append(len(curves.runs[0].moments)), "value")

    async def act():
        curves.step_size.value, curves.batch_norm.value = 0.3, True
        curves.button.click()
        await asyncio.sleep(0)
        assert curves.button.description == "Stop"
        await curves.task

    driven(act)
    assert seen == [1, 2, 3]
    assert curves.progress.value == 30
    assert curves.button.description == "Train"
    assert 'role="status">Done: step size 0.3, batch norm: 30 steps' in curves.message


def test_the_same_button_stops_and_what_was_learnt_stays(curves):
    async def act():
        curves.steps = 1000  # more than the few that it takes to press the button
        curves.button.click()
        await until(lambda: curves.runs and len(curves.runs[0].moments) >= 2)
        curves.button.click()
        await curves.task

    driven(act)
    assert len(curves.runs[0].moments) >= 2
    assert f"Stopped after step {curves.runs[0].moments[-1].step}" in curves.message


def test_the_same_settings_again_are_another_draw(curves):
    curves.train_now()
    curves.train_now()
    first, second = curves.runs
    assert second.name == f"{first.name}, draw 2"
    assert first.moments != second.moments


def test_only_the_newest_runs_are_kept_and_they_can_be_removed():
    experiment = widgets.StepSizes(first=(), steps=1)
    for _ in range(8):
        experiment.train_now()
    assert len(experiment.runs) == 6
    assert experiment.runs[-1].name.endswith("draw 8")
    experiment.clear.click()
    assert experiment.runs == []
    assert experiment.summary == "No runs."


@pytest.mark.bad_input
def test_a_run_that_diverges_keeps_its_curve_and_says_why(curves, monkeypatch):
    curves.train_now()

    def diverging(*_, **__):
        yield widgets.Moment(10, 2.0, (0.2,))
        raise Diverged("The loss was no longer finite in step 13.")

    monkeypatch.setattr(widgets, "train_in_view", diverging)

    async def act():
        curves.button.click()
        await curves.task

    driven(act)
    assert 'role="alert">The loss was no longer finite in step 13.' in curves.message
    assert [len(run.moments) for run in curves.runs] == [3, 1]
    assert curves.button.description == "Train"


@pytest.mark.bad_input
def test_an_error_in_a_callback_is_shown_and_the_next_run_works(curves, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of <memory>")

    async def act():
        with monkeypatch.context() as patch:
            patch.setattr(widgets, "train_in_view", broken)
            curves.button.click()
            await curves.task
        assert 'role="alert">RuntimeError: out of &lt;memory&gt;' in curves.message
        assert "Traceback" in curves.message
        assert curves.button.description == "Train"
        curves.button.click()
        await curves.task

    driven(act)
    assert "Done" in curves.message
    assert len(curves.runs) == 1


@pytest.mark.bad_input
def test_without_an_event_loop_the_reader_is_told(curves):
    in_a_thread(curves.button.click)
    assert "RuntimeError: no running event loop" in curves.message


def test_dropout_draws_few_images_and_judges_on_them_and_on_the_test_images():
    experiment = widgets.DropoutGap(first=[0.25], steps=50)

    async def act():
        experiment.rate.value, experiment.images.value = 0.5, 100
        for _ in range(2):
            experiment.button.click()
            await experiment.task

    driven(act)
    assert [run.name for run in experiment.runs] == [
        "dropout 0.25, 300 images, draw 1",
        "dropout 0.50, 100 images, draw 1",
        "dropout 0.50, 100 images, draw 2",
    ]
    train, test = experiment.runs[1].moments[-1].accuracies
    assert (100 * train) % 1 == pytest.approx(0, abs=1e-9)
    assert f"training {train:.2f}, test {test:.2f}, gap {train - test:.2f}" in experiment.summary
    assert experiment.runs[1].moments != experiment.runs[2].moments


# ---------------------------------------------------------------------- the reader's own picture
def give(experiment, content, name="mine.png"):
    modified = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    file = {
        "name": name,
        "type": "",
        "size": len(content),
        "content": memoryview(content),
        "last_modified": modified,
    }
    experiment.upload.value = (file,)


@pytest.fixture
def own():
    return widgets.OwnPicture(picture="coins")


def shown(experiment):
    return experiment._repr_mimebundle_()["image/png"]


def test_a_picture_is_there_from_the_start(own):
    bundle = own._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "image/png", VIEW}
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"].startswith("edge (weights sum to 0) on coins, 303 by 384: answers from")
    assert [weight.value for weight in own.weights] == [-1, 0, 1] * 3


def test_own_picture_is_read_and_offered_again(own):
    before = shown(own)
    give(own, encoded(Image.new("L", (40, 30), 128)))
    assert own.picture.value == "yours: mine.png"
    assert "on yours: mine.png, 30 by 40: answers from 0 to 0" in own.summary
    assert own.upload.value == ()  # the same file can be opened again
    assert shown(own) != before
    give(own, encoded(Image.new("L", (50, 30), 128)))
    assert "30 by 50" in own.summary
    own.picture.value = "coins"
    assert shown(own) == before
    own.picture.value = "yours: mine.png"
    assert "30 by 50" in own.summary


@pytest.mark.bad_input
@pytest.mark.parametrize("content", [b"", b"text", encoded(Image.new("L", (300, 300)))[:90], bomb(30000)])
def test_a_wrong_file_is_refused_and_nothing_is_lost(own, content):
    give(own, encoded(Image.new("L", (40, 30), 128)))
    own.mask.value = "blur"
    before, summary = shown(own), own.summary
    give(own, content, "<notes>.txt")
    assert 'role="alert">&lt;notes&gt;.txt' in own.message
    assert (shown(own), own.summary) == (before, summary)
    assert own.picture.value == "yours: mine.png"
    assert own.upload.value == ()
    own.mask.value = "edge"
    assert 'role="status"' in own.message


def test_masks_are_chosen_edited_and_drawn_once(own):
    drawn = []
    own._picture.observe(lambda change: drawn.append(own.summary), "value")
    own.mask.value = "Sobel"
    assert [weight.value for weight in own.weights] == [-1, 0, 1, -2, 0, 2, -1, 0, 1]
    own.weights[4].value = 1
    assert own.mask.value == "your own"
    assert "weights sum to 1" in own.summary
    own.weights[0].value = -3
    assert "weights sum to -1" in own.summary
    own.mask.value = "blur"
    assert "weights sum to 1" in own.summary  # of exact ninths, though the fields show four places
    assert len(drawn) == 4


def test_learned_filters_can_be_chosen_and_the_fields_make_room(own):
    own.mask.value = "LeNet filter 2"
    assert own._grid.layout.display == "none"
    torch.testing.assert_close(own._mask_now, widgets.first_layer_filters()[1])
    own.mask.value = "your own"  # what the fields still hold
    assert own._grid.layout.display == "flex"
    assert own._mask_now.flatten().tolist() == [-1, 0, 1] * 3


@pytest.mark.bad_input
def test_a_weight_that_is_no_number_is_refused_and_the_answers_stay(own):
    before = shown(own)
    own.weights[0].value = float("nan")
    assert "must be finite numbers" in own.message
    assert shown(own) == before
    own.weights[0].value = 0
    assert 'role="status"' in own.message
    assert shown(own) != before


def test_every_control_has_a_name(own):
    for experiment in (own, widgets.StepSizes(first=(), steps=1), widgets.DropoutGap(first=())):
        pending, controls = [experiment.box], []
        while pending:
            widget = pending.pop()
            pending += getattr(widget, "children", ())
            controls += (
                [widget] if hasattr(widget, "description") and "HTML" not in widget._model_name else []
            )
        assert len(controls) >= 5
        assert all(control.description for control in controls)
