"""Training: against a loop written out by hand, interrupted anywhere, and what it leaves behind."""

import contextlib
import dataclasses
import functools
import json
import os
import random
import signal

import pytest
import torch
from torch import nn
from torch.nn import functional

from cnnkit import augment, checkpoints, data, train
from cnnkit.batches import Normalization, prepare, seed_of, shuffled
from cnnkit.checkpoints import CheckpointError, weights_of
from cnnkit.data import Dataset, Examples
from cnnkit.models.lenet import LeNet
from cnnkit.recipe import Recipe, step_size
from cnnkit.train import BEST, LAST, LOG, Diverged, Stopped, Trained, evaluate, fit, load, open_data, predict
from tests import operators

TIMES = ("seconds", "images_per_second")
OPTIMIZERS = [
    {"optimizer": "sgd", "momentum": 0.0, "step_size": 0.1},
    {"optimizer": "sgd", "momentum": 0.9, "step_size": 0.05, "weight_decay": 0.01},
    {"optimizer": "adam", "step_size": 0.01, "weight_decay": 0.1},
    {"optimizer": "adamw", "step_size": 0.01, "weight_decay": 0.1, "momentum": 0.8},
]
optimizers = pytest.mark.parametrize(
    "how", OPTIMIZERS, ids=lambda how: f"{how['optimizer']}-{how.get('momentum')}"
)


def toy(n=37, n_test=20, channels=1, size=6, mirror=False):
    """Images of noise whose brightness tells the class."""

    def examples(n, seed):
        generator = torch.Generator().manual_seed(seed)
        y = torch.randint(3, (n,), generator=generator)
        noise = torch.randint(100, (n, channels, size, size), generator=generator)
        return Examples((noise + 70 * y.view(-1, 1, 1, 1)).byte(), y)

    return Dataset("toy", examples(n, 0), examples(n_test, 1), ("dark", "grey", "light"), mirror)


def signals(n=12):
    """Signals each of whose values is the number of the example."""

    def examples(first, n):
        x = torch.arange(first, first + n).float().view(n, 1, 1).expand(n, 1, 4).clone()
        return Examples(x, torch.arange(n) % 3)

    return Dataset("signals", examples(0, n), examples(n, 6), ("a", "b", "c"))


def network(channels=1, seed=0, dropout=0.0, norm=False):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(16, 3),
    )


def recipe(**fields):
    """A short run in double precision; the model is given to `fit`."""
    short = {"model": "lenet", "epochs": 3, "batch_size": 8, "step_size": 0.01, "precision": "float64"}
    return Recipe(**(short | fields))


def timeless(history):
    return [{name: value for name, value in record.items() if name not in TIMES} for record in history]


def assert_same_weights(model, other):
    """Bit for bit."""
    a, b = weights_of(model), weights_of(other)
    assert list(a) == list(b)
    for name in a:
        assert torch.equal(a[name], b[name]), name


def assert_close_weights(model, other):
    a, b = weights_of(model), weights_of(other)
    assert list(a) == list(b)
    for name in a:
        torch.testing.assert_close(a[name], b[name], msg=lambda message, name=name: f"{name}: {message}")


def signal_at(call, number=signal.SIGTERM):
    """A hook on a model that sends this process a signal, once, in the given call for training."""
    calls = 0

    def hook(model, inputs):
        nonlocal calls
        calls += model.training
        if calls == call and model.training:
            os.kill(os.getpid(), number)

    return hook


# ----------------------------------------------------------------------------- against a loop by hand
def by_hand(recipe, model, dataset):
    """The whole training of a recipe without augmentation, written out for one process."""
    train = dataset.train
    x = train.x.double() / 255
    axes = (0, 2, 3)
    mean = x.mean(dim=axes, keepdim=True)
    x = (x - mean) / ((x - mean) ** 2).mean(dim=axes, keepdim=True).sqrt()
    model.double().train()
    if recipe.optimizer == "sgd":
        optimizer = torch.optim.SGD(
            model.parameters(), lr=1, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    else:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
        optimizer = kind(
            model.parameters(), lr=1, betas=(recipe.momentum, 0.999), weight_decay=recipe.weight_decay
        )
    step, losses = 0, []
    steps = recipe.epochs * -(-len(train) // recipe.batch_size)
    for epoch in range(recipe.epochs):
        loss_of_epoch = 0.0
        for batch in shuffled(len(train), seed_of(recipe.seed, "order", epoch)).split(recipe.batch_size):
            optimizer.param_groups[0]["lr"] = step_size(recipe, step, steps)
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                model(x[batch]), train.y[batch], label_smoothing=recipe.label_smoothing
            )
            loss.backward()
            optimizer.step()
            if recipe.max_norm is not None:
                with torch.no_grad():
                    for weight in (p for p in model.parameters() if p.dim() > 1):
                        for row in weight:  # torch.renorm has the 1e-7
                            norm = row.norm().item()
                            row *= recipe.max_norm / (norm + 1e-7) if norm > recipe.max_norm else 1
            loss_of_epoch += loss.item() * len(batch)
            step += 1
        losses.append(loss_of_epoch / len(train))
    return losses


@optimizers
@pytest.mark.parametrize(
    "more",
    [
        {"schedule": "constant"},
        {"schedule": "cosine", "label_smoothing": 0.1},
        {"schedule": "one-cycle", "max_norm": 0.3, "seed": 3},
    ],
    ids=lambda more: more["schedule"],
)
def test_training_is_the_loop_by_hand(how, more):
    plan, dataset = recipe(**(how | more)), toy(channels=2)
    model, expected = network(2), network(2)
    trained = fit(plan, model, dataset)
    losses = by_hand(plan, expected, dataset)
    assert trained.model is model
    assert_close_weights(model, expected)
    assert [record["train_loss"] for record in trained.history] == pytest.approx(losses, rel=1e-9)


def test_batch_norm_is_the_loop_by_hand():
    plan, dataset = recipe(), toy()
    model, expected = network(norm=True), network(norm=True)
    fit(plan, model, dataset)
    by_hand(plan, expected, dataset)
    assert_close_weights(model, expected)


def test_a_set_smaller_than_a_batch():
    plan, dataset = recipe(batch_size=64), toy(n=5)
    model, expected = network(), network()
    fit(plan, model, dataset)
    by_hand(plan, expected, dataset)
    assert_close_weights(model, expected)


@optimizers
def test_parts_of_a_batch_add_up_to_it(how):
    # 33 = 4 x 8 + 1: two of the last batch's parts are empty
    runs = [fit(recipe(accumulate=parts, **how), network(), toy(n=33)) for parts in (1, 3)]
    assert_close_weights(runs[0].model, runs[1].model)
    for a, b in zip(*(timeless(run.history) for run in runs), strict=True):
        assert a == pytest.approx(b)


def test_batch_norm_looks_for_no_statistics_in_an_empty_part():
    # 9 = 8 + 1: one part of the last batch has an example, three are empty
    model = network(norm=True)
    fit(recipe(batch_size=8, accumulate=4, epochs=2), model, toy(n=9))
    assert all(tensor.isfinite().all() for tensor in weights_of(model).values())
    assert model[1].num_batches_tracked == 2 * (4 + 1)


def test_max_norm_bounds_each_row():
    free, bound = (fit(recipe(max_norm=c, step_size=0.3), network(), toy()).model for c in (None, 0.5))
    for layer in (0, 6):
        assert free[layer].weight.flatten(1).norm(dim=1).max() > 0.5
        assert bound[layer].weight.flatten(1).norm(dim=1).max() <= 0.5 * (1 + 1e-12)
    assert bound[6].bias.norm() > 0


def test_augmentation_is_that_of_each_steps_seed():
    plan = recipe(pad_crop=2, flip=True, cutout=2, epochs=2, batch_size=16)
    dataset, seen = toy(mirror=True), []
    model = network()
    model.register_forward_pre_hook(lambda model, inputs: seen.append(inputs[0]) if model.training else None)
    normal = fit(plan, model, dataset).normal
    step = 0
    for epoch in range(2):
        for batch in shuffled(37, seed_of(0, "order", epoch)).split(16):
            torch.manual_seed(seed_of(0, "step", step, 0))
            x = augment.flip(augment.pad_crop(dataset.train.x[batch], 2))
            x = augment.cutout(prepare(x, normal, dtype=torch.float64), 2)
            torch.testing.assert_close(seen[step], x)
            step += 1
    assert len(seen) == step == 6


def test_images_are_resized_for_training_and_judging():
    sizes = set()
    model = network()
    model.register_forward_pre_hook(lambda model, inputs: sizes.add((model.training, *inputs[0].shape[1:])))
    trained = fit(recipe(image_size=6, epochs=1), model, toy(size=9))
    assert predict(trained, toy(size=4).test.x).shape == (20, 3)
    assert sizes == {(True, 1, 6, 6), (False, 1, 6, 6)}


# ----------------------------------------------------------------------------- history
def test_history_says_what_happened():
    plan, dataset = recipe(), toy(n=37)
    trained = fit(plan, network(), dataset)
    names = [
        "epoch", "step_size", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds",
        "images_per_second",
    ]  # fmt: skip
    assert [list(record) for record in trained.history] == [names] * 3
    assert [record["epoch"] for record in trained.history] == [1, 2, 3]
    assert [record["step_size"] for record in trained.history] == [
        step_size(plan, last, 15) for last in (4, 9, 14)
    ]
    last, judged = trained.history[-1], evaluate(trained, dataset.test)
    assert (last["test_loss"], last["test_accuracy"]) == (judged["loss"], judged["accuracy"])
    assert last["train_loss"] < trained.history[0]["train_loss"]
    assert last["train_accuracy"] * 37 == pytest.approx(round(last["train_accuracy"] * 37))
    assert all(record["seconds"] > 0 and record["images_per_second"] > 0 for record in trained.history)
    assert repr(trained) == f"Trained(lenet on toy, 3 epochs, test accuracy {last['test_accuracy']:.3f})"
    assert json.loads(json.dumps(trained.history)) == trained.history


def test_watch_sees_each_epoch():
    seen = []
    trained = fit(recipe(), network(), toy(), watch=lambda history: seen.append(len(history)))
    assert seen == [1, 2, 3]
    assert len(trained.history) == 3


def test_it_learns_and_is_ready_for_use():
    trained = fit(recipe(epochs=15, step_size=0.03), network(), toy(n=120))
    assert trained.history[-1]["test_accuracy"] >= 0.95
    assert not any(module.training for module in trained.model.modules())


# ----------------------------------------------------------------------------- what decides the result
def test_a_recipe_alone_decides_the_result():
    images = data.mnist5k()
    dataset = Dataset(
        "few", Examples(images.train.x[::40], images.train.y[::40]), Examples(images.test.x[::20], images.test.y[::20]),
        images.classes,
    )  # fmt: skip
    plan = Recipe("lenet", epochs=2, batch_size=20, pad_crop=1)
    runs = []
    for seed in (1, 2):  # the caller's random numbers play no part
        torch.manual_seed(seed)
        random.seed(seed)
        runs.append(fit(plan, dataset=dataset))
    assert isinstance(runs[0].model, LeNet)
    assert_same_weights(runs[0].model, runs[1].model)
    assert timeless(runs[0].history) == timeless(runs[1].history)
    other = fit(dataclasses.replace(plan, seed=1), dataset=dataset)
    assert not torch.equal(other.model.classifier[1].weight, runs[0].model.classifier[1].weight)


@pytest.mark.parametrize("change", [{"block": 1}, {"block": 3}, {"block": 1000}, {"workers": 0}])
def test_what_does_not_change_the_result(change):
    plan = recipe(pad_crop=1, cutout=2)
    expected = fit(plan, network(dropout=0.5), toy())
    got = fit(dataclasses.replace(plan, **change), network(dropout=0.5), toy())
    assert_same_weights(got.model, expected.model)
    assert timeless(got.history) == timeless(expected.history)


def test_saving_and_watching_do_not_change_the_result(tmp_path):
    def draw(history):
        torch.rand(3), random.random()

    plan = recipe(pad_crop=1)
    plain = fit(plan, network(dropout=0.5), toy())
    saved = fit(plan, network(dropout=0.5), toy(), out=tmp_path / "new" / "run", watch=draw)
    assert_same_weights(plain.model, saved.model)
    assert sorted(os.listdir(tmp_path / "new" / "run")) == sorted([LAST, BEST, LOG])


@pytest.fixture
def random_states(pytestconfig):
    """The states of Python's and PyTorch's random numbers; under the shape checks, beartype draws from Python's."""
    checked = pytestconfig.getoption("jaxtyping_packages")
    return lambda: (checked or random.getstate(), torch.get_rng_state().tolist())


@pytest.mark.parametrize("end", [None, Stopped, Diverged, ZeroDivisionError])
def test_the_callers_random_numbers_are_left_as_they_were(end, random_states):
    model, plan = network(dropout=0.5), recipe(pad_crop=1, block=1)
    if end is Stopped:
        model.register_forward_pre_hook(signal_at(2))
    if end is Diverged:
        plan = dataclasses.replace(plan, optimizer="sgd", step_size=1e200)
    watch = (lambda history: 1 / 0) if end is ZeroDivisionError else None
    torch.manual_seed(5)
    random.seed(5)
    before = random_states()
    with pytest.raises(end) if end else contextlib.nullcontext():
        fit(plan, model, toy(), watch=watch)
    assert random_states() == before


def test_the_new_model_does_not_touch_the_callers_random_numbers(random_states):
    torch.manual_seed(5)
    before = random_states()
    images = Dataset(
        "noise", *[Examples(torch.zeros(4, 1, 28, 28).byte(), torch.zeros(4).long())] * 2, tuple("ab")
    )
    fit(Recipe("lenet", epochs=1), dataset=images)
    assert random_states() == before


def test_the_callers_signal_handlers_come_back():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    model = network()
    model.register_forward_pre_hook(signal_at(1))
    with pytest.raises(Stopped):
        fit(recipe(), model, toy())
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


# ----------------------------------------------------------------------------- interrupted and resumed
def interrupted(plan, make, dataset, out, calls):
    """Interrupt a run again and again, and return its end and the messages."""
    messages = []
    for number, call in enumerate(calls):
        model = make(seed=number)  # only the first run's own weights count
        model.register_forward_pre_hook(signal_at(call))
        with pytest.raises(Stopped) as stopped:
            fit(plan, model, dataset, out=out, resume=True)
        assert stopped.value.signal_number == signal.SIGTERM
        messages.append(str(stopped.value))
    return fit(plan, make(seed=9), dataset, out=out, resume=True), messages


@optimizers
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"channels_last": True, "max_norm": 2.0, "validation": 5},
        {"precision": "float32", "fused": True, "channels_last": True},
        {"precision": "float16", "step_size": 1e-3},
        {"precision": "bfloat16", "accumulate": 2},
    ],
    ids=str,
)
def test_a_resumed_run_ends_bit_for_bit_like_an_undisturbed_one(tmp_path, how, more):
    # 5 steps an epoch: stopped after steps 2, 5 (the end of an epoch), 6 and 14 (the last but one)
    fields = how | {"pad_crop": 1, "cutout": 2, "block": 1, "batch_size": 8} | more
    plan, dataset = recipe(**fields), toy(channels=3, n=37 + fields.get("validation", 0))
    make = functools.partial(network, 3, dropout=0.5, norm=True)
    whole = fit(plan, make(), dataset, out=tmp_path / "whole")
    calls = [plan.accumulate * steps for steps in (2, 3, 1, 8)]
    parts, messages = interrupted(plan, make, dataset, tmp_path / "parts", calls)
    path = tmp_path / "parts" / LAST
    assert messages == [
        f"stopped by SIGTERM after step {step} of 15 ({epoch} of 3 epochs done); {path} has all that it takes to go on"
        for step, epoch in ((2, 0), (5, 1), (6, 1), (14, 2))
    ]
    assert_same_weights(whole.model, parts.model)
    assert timeless(parts.history) == timeless(whole.history)
    for name in (LAST, BEST):
        a, b = (checkpoints.read(tmp_path / run / name) for run in ("whole", "parts"))
        assert all(torch.equal(a.weights[key], b.weights[key]) for key in a.weights | b.weights)
        assert a.optimizer.keys() == b.optimizer.keys()
        for index in a.optimizer:
            for key in a.optimizer[index] | b.optimizer[index]:
                assert torch.equal(a.optimizer[index][key], b.optimizer[index][key])
        for checkpoint in (a, b):
            checkpoint.facts["history"] = timeless(checkpoint.facts["history"])
            checkpoint.facts.get("going_on", {}).pop("seconds", None)
        assert a.facts == b.facts


def test_resumed_between_epochs_and_longer_than_planned(tmp_path):
    constant = recipe(schedule="constant", pad_crop=1)
    longer = fit(constant, network(dropout=0.5), toy())

    def stop(history):
        if len(history) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(
        Stopped, match=r"stopped by SIGINT after step 10 of 15 \(2 of 3 epochs done\)"
    ) as stopped:
        fit(constant, network(dropout=0.5), toy(), out=tmp_path / "a", watch=stop)
    assert stopped.value.signal_number == signal.SIGINT
    fit(dataclasses.replace(constant, epochs=1), network(dropout=0.5), toy(), out=tmp_path / "b")
    for out in ("a", "b"):
        resumed = fit(constant, network(seed=9, dropout=0.5), toy(), out=tmp_path / out, resume=True)
        assert_same_weights(resumed.model, longer.model)
        assert timeless(resumed.history) == timeless(longer.history)
    again = fit(constant, network(seed=9, dropout=0.5), toy(), out=tmp_path / "a", resume=True)
    assert_same_weights(again.model, longer.model)  # there was nothing left to do
    assert timeless(again.history) == timeless(longer.history)


def test_resume_without_a_run_begins_one(tmp_path):
    plain = fit(recipe(), network(), toy())
    assert_same_weights(fit(recipe(), network(), toy(), out=tmp_path, resume=True).model, plain.model)


def test_stopped_without_a_folder():
    model = network()
    model.register_forward_pre_hook(signal_at(1))
    with pytest.raises(
        Stopped, match=r"after step 5 of 15 .*; nothing was saved, as there is no folder for it"
    ):
        fit(recipe(), model, toy())


def test_a_block_is_finished_before_the_run_stops(tmp_path):
    model = network()
    model.register_forward_pre_hook(signal_at(1))
    with pytest.raises(Stopped, match=r"after step 3 of 15 \(0 of 3 epochs done\)"):
        fit(recipe(block=3), model, toy(), out=tmp_path)
    assert checkpoints.read(tmp_path / LAST).facts["going_on"]["step"] == 3
    assert not (tmp_path / BEST).exists()  # nothing was judged yet


# ----------------------------------------------------------------------------- what is written
@pytest.mark.parametrize(
    ("validation", "judge", "seed"), [(0, "test_accuracy", 10), (15, "validation_accuracy", 4)]
)
def test_the_best_checkpoint_is_that_of_the_best_epoch(tmp_path, validation, judge, seed):
    # so large a step that the accuracy goes up and down
    plan = recipe(
        epochs=8, optimizer="sgd", step_size=0.3, schedule="constant", seed=seed, validation=validation
    )  # fmt: skip
    dataset = toy(n=52)
    trained = fit(plan, network(), dataset, out=tmp_path)
    accuracies = [record[judge] for record in trained.history]
    best = accuracies.index(max(accuracies))
    assert accuracies[-1] < max(accuracies)  # or this test would show nothing
    assert accuracies[0] < max(accuracies)
    loaded = load(tmp_path / BEST, network())
    assert loaded.history == trained.history[: best + 1]
    assert evaluate(loaded, dataset.test)["accuracy"] == trained.history[best]["test_accuracy"]
    assert checkpoints.read(tmp_path / BEST).optimizer == {}
    assert_same_weights(load(tmp_path / LAST, network()).model, trained.model)


def test_the_log_has_a_line_an_epoch(tmp_path):
    lines = []
    trained = fit(
        recipe(), network(), toy(), out=tmp_path,
        watch=lambda history: lines.append(len((tmp_path / LOG).read_text().splitlines())),
    )  # fmt: skip
    assert lines == [1, 2, 3]
    assert [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()] == trained.history


def test_the_network_that_is_shipped_is_as_good_as_its_file_says():
    trained = train.pretrained(device="cpu")
    found = train.evaluate(trained, data.mnist5k().test)
    assert found["accuracy"] == trained.history[-1]["test_accuracy"]
    assert found["loss"] == pytest.approx(trained.history[-1]["test_loss"], rel=1e-4)
    assert repr(trained) == "Trained(lenet on mnist5k, 20 epochs, test accuracy 0.983)"
    assert not trained.model.training


@pytest.mark.bad_input
def test_a_network_that_is_not_shipped():
    with pytest.raises(ValueError, match=r"^name must be one of lenet-mnist5k, got 'lenet'$"):
        train.pretrained("lenet")


@pytest.mark.parametrize(
    "fields",
    [
        {"precision": "float32"},
        {"precision": "float64"},
        {"precision": "bfloat16"},
        {"precision": "float32", "channels_last": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("given", [True, False])
def test_what_is_loaded_computes_the_same_bits(tmp_path, fields, given):
    noise = torch.randint(256, (12, 1, 28, 28), generator=torch.Generator().manual_seed(0)).byte()
    dataset = Dataset("noise", *[Examples(noise, torch.arange(12) % 2)] * 2, ("a", "b"))
    plan = recipe(epochs=1, **fields)
    trained = fit(plan, dataset=dataset, out=tmp_path)
    loaded = load(tmp_path / LAST, LeNet(num_classes=2) if given else None)
    assert loaded.recipe == trained.recipe == dataclasses.replace(plan, data="noise")
    assert (loaded.normal, loaded.history) == (trained.normal, trained.history)
    assert not loaded.model.training
    assert_same_weights(loaded.model, trained.model)
    assert torch.equal(predict(loaded, noise), predict(trained, noise))
    weight = loaded.model.features[3].weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == plan.channels_last


# ----------------------------------------------------------------------------- validation
def test_held_out_examples_are_never_trained_on():
    dataset, seen = signals(12), {True: [], False: []}
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    model.register_forward_pre_hook(lambda model, inputs: seen[model.training].append(inputs[0][:, 0, 0]))
    trained = fit(recipe(validation=5, epochs=3, batch_size=3), model, dataset)
    numbers = {
        training: torch.cat(values)
        .mul(trained.normal.std[0])
        .add(trained.normal.mean[0])
        .round()
        .int()
        .tolist()
        for training, values in seen.items()
    }
    learnt = set(numbers[True])
    assert len(learnt) == 7
    assert [set(numbers[True][first : first + 7]) for first in (0, 7, 14)] == [learnt] * 3
    assert len(numbers[True]) == 21
    assert numbers[False][:5] == sorted(set(range(12)) - learnt)
    assert numbers[False][5:11] == list(range(12, 18))
    held_out = torch.tensor(numbers[False][:5])
    last = trained.history[-1]
    judged = evaluate(trained, dataset.train, held_out)
    assert (last["validation_loss"], last["validation_accuracy"]) == (judged["loss"], judged["accuracy"])


# ----------------------------------------------------------------------------- precision and speed
@pytest.mark.parametrize(
    ("precision", "dtype", "inside"),
    [
        ("float32", torch.float32, torch.float32),
        ("float64", torch.float64, torch.float64),
        ("bfloat16", torch.float32, torch.bfloat16),
        ("float16", torch.float32, torch.float16),
    ],
)
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_every_precision_learns(precision, dtype, inside, optimizer):
    model, dataset, found = network(), toy(n=120), set()
    model[0].register_forward_hook(lambda layer, inputs, output: found.add(output.dtype))
    plan = recipe(precision=precision, optimizer=optimizer, epochs=10, step_size=0.03)
    trained = fit(plan, model, dataset)
    assert found == {inside}
    assert {tensor.dtype for tensor in model.parameters()} == {dtype}
    assert predict(trained, dataset.test.x).dtype == dtype
    assert trained.history[-1]["test_accuracy"] >= 0.95


def test_a_step_whose_gradient_overflows_in_float16_is_skipped(tmp_path):
    model, dataset = network(), toy(n=120)
    with torch.no_grad():  # the same function, but its gradients times the first scale are beyond float16
        model[0].weight *= 30
        model[0].bias *= 30
        model[6].weight /= 30
    plan = recipe(precision="float16", optimizer="sgd", step_size=1e-4, momentum=0.0)
    trained = fit(plan, model, dataset, out=tmp_path)
    assert checkpoints.read(tmp_path / LAST).facts["going_on"]["scaler"]["scale"] < 2**16
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_fused_is_the_same(optimizer):
    plan = recipe(optimizer=optimizer)
    runs = [fit(dataclasses.replace(plan, fused=fused), network(), toy()) for fused in (False, True)]
    assert_close_weights(runs[0].model, runs[1].model)


def test_channels_last_is_the_same():
    runs = [fit(recipe(channels_last=last), network(3), toy(channels=3)) for last in (False, True)]
    assert_close_weights(runs[0].model, runs[1].model)
    assert runs[1].model[0].weight.is_contiguous(memory_format=torch.channels_last)
    layouts = []
    model = network(3)
    model.register_forward_pre_hook(
        lambda model, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
    )
    fit(recipe(channels_last=True, epochs=1), model, toy(channels=3))
    assert all(layouts)
    assert len(layouts) == 6


@pytest.mark.compile
def test_compiled_is_the_same_and_saved_under_plain_names(tmp_path, monkeypatch):
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plan, model = recipe(epochs=1), network(norm=True)
    plain = fit(plan, network(norm=True), toy())
    compiled = fit(dataclasses.replace(plan, compile=True), model, toy(), out=tmp_path)
    assert compiled.model is model
    assert_close_weights(compiled.model, plain.model)
    assert sorted(checkpoints.read(tmp_path / LAST).weights) == sorted(model.state_dict())
    assert_same_weights(load(tmp_path / LAST, network(norm=True)).model, model)


@pytest.mark.compile
def test_a_model_that_the_caller_compiled(tmp_path):
    model, plain = network(), network()
    trained = fit(recipe(), torch.compile(model), toy())
    assert trained.model is model
    assert_same_weights(model, fit(recipe(), plain, toy()).model)


@pytest.mark.gpu
@operators.needs_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_host_asks_a_gpu_for_nothing_within_a_block(monkeypatch, precision):
    plan = recipe(precision=precision, pad_crop=2, cutout=2, max_norm=3.0, accumulate=2, block=4)

    def watched(*arguments):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(*arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    fit(plan, network(norm=True, dropout=0.2), toy(), device="cuda")  # PyTorch's own start
    step = train._train_step
    monkeypatch.setattr(train, "_train_step", watched)
    fit(plan, network(norm=True, dropout=0.2), toy(), device="cuda")


@pytest.mark.gpu
@operators.needs_gpu
@pytest.mark.parametrize(
    "fields",
    [{}, {"precision": "bfloat16", "channels_last": True}, {"precision": "float16"}, {"precision": "tf32"}],
    ids=str,
)
def test_it_learns_on_the_gpu_and_comes_back_on_the_cpu(tmp_path, fields):
    dataset = toy(n=120)
    plan = recipe(**({"precision": "float32", "epochs": 15, "step_size": 0.03, "pad_crop": 1} | fields))
    trained = fit(plan, network(), dataset, out=tmp_path, device="cuda")
    assert next(trained.model.parameters()).is_cuda
    assert trained.history[-1]["test_accuracy"] >= 0.95
    back = load(tmp_path / LAST, network(), device="cpu")
    assert next(back.model.parameters()).device.type == "cpu"
    assert evaluate(back, dataset.test)["accuracy"] >= 0.95


# ----------------------------------------------------------------------------- using it
def trained_by_hand():
    model, dataset = network().double(), toy(n_test=23)
    return Trained(model, recipe(), Normalization((0.4,), (0.2,)), []), dataset.test


def test_predict_and_evaluate_by_hand():
    trained, test = trained_by_hand()
    logits = trained.model((test.x.double() / 255 - 0.4) / 0.2)
    torch.testing.assert_close(predict(trained, test.x), logits)
    assert not predict(trained, test.x).requires_grad
    for indices in (None, torch.tensor([3, 3, 20]), torch.tensor([7])):
        some, y = (logits, test.y) if indices is None else (logits[indices], test.y[indices])
        expected = {
            "loss": float(functional.cross_entropy(some.detach(), y)),
            "accuracy": float((some.argmax(dim=1) == y).double().mean()),
        }
        for batch_size in (1, 4, 500):
            assert evaluate(trained, test, indices, batch_size) == pytest.approx(expected)
            assert set(evaluate(trained, test, indices, batch_size)) == set(expected)


def test_losses_are_judged_without_label_smoothing():
    trained, test = trained_by_hand()
    smooth = dataclasses.replace(trained, recipe=recipe(label_smoothing=0.5))
    assert evaluate(smooth, test) == evaluate(trained, test)


@pytest.mark.parametrize("training", [True, False])
def test_predict_and_evaluate_leave_the_mode(training):
    trained, test = trained_by_hand()
    trained.model.append(nn.Dropout(0.9)).train(training)
    expected = trained.model[:-1]((test.x.double() / 255 - 0.4) / 0.2)
    torch.testing.assert_close(predict(trained, test.x), expected)  # dropout is off
    evaluate(trained, test)
    assert all(module.training == training for module in trained.model.modules())


def test_repr_before_the_first_epoch():
    assert repr(trained_by_hand()[0]) == "Trained(lenet on mnist5k, 0 epochs)"


def test_data_by_name():
    assert open_data("mnist5k").name == "mnist5k"


def test_a_known_name_is_no_folder(tmp_path, monkeypatch):
    (tmp_path / "mnist5k").mkdir()
    monkeypatch.chdir(tmp_path)
    assert open_data("mnist5k").name == "mnist5k"


# ----------------------------------------------------------------------------- refusals
@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("fields", "dataset", "message"),
    [
        (
            {"flip": True},
            toy(),
            "flip must be False for toy, whose examples mean something else when mirrored",
        ),
        ({"validation": 37}, toy(), "validation must be less than the 37 training examples, got 37"),
        ({"pad_crop": 2}, signals(), "pad_crop is for images, but signals has signals; got 2"),
        ({"cutout": 3}, signals(), "cutout is for images, but signals has signals; got 3"),
        ({"image_size": 9}, signals(), "image_size is for images, but signals has signals; got 9"),
        (
            {"channels_last": True},
            signals(),
            "channels_last is for images, but signals has signals; got True",
        ),
        ({"sync_batch_norm": True}, toy(), "sync_batch_norm needs GPUs: PyTorch has none for cpu"),
        (
            {"precision": "tf32"},
            toy(),
            "precision='tf32' is a number format of NVIDIA's GPUs; the device is cpu",
        ),
        ({"model": "lenett"}, toy(), "model must be one of .*lenet.*; got 'lenett'. Did you mean lenet"),
    ],
)
def test_what_does_not_go_together_is_refused_before_anything_is_written(tmp_path, fields, dataset, message):
    model = None if "model" in fields else network()
    out = tmp_path / "run"
    with pytest.raises(ValueError, match=message):
        fit(recipe(**fields), model, dataset, out=out, device="cpu")
    assert not out.exists()


@pytest.mark.bad_input
@pytest.mark.parametrize("device", ["abacus", "mps" if torch.cuda.is_available() else "cuda"])
def test_a_device_that_is_not_there(device):
    with pytest.raises(ValueError, match=f"device must be one that this machine has .*, got '{device}'"):
        fit(recipe(), network(), toy(), device=device)


@pytest.mark.bad_input
def test_nothing_to_judge():
    trained, test = trained_by_hand()
    with pytest.raises(ValueError, match="examples must not be empty, got none"):
        evaluate(trained, test, torch.tensor([], dtype=torch.int64))


@pytest.mark.bad_input
def test_a_folder_with_a_run_is_left_as_it_is(tmp_path):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    model = network()
    weights = {name: tensor.clone() for name, tensor in weights_of(model).items()}
    with pytest.raises(
        FileExistsError, match=f"out={tmp_path} holds a run already: resume=True .--resume. goes on"
    ):
        fit(recipe(), model, toy(), out=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert all(torch.equal(tensor, weights_of(model)[name]) for name, tensor in weights.items())


@pytest.mark.bad_input
def test_another_recipe_is_refused_and_the_fields_are_listed(tmp_path):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    other = recipe(epochs=9, block=2, workers=0, optimizer="sgd", momentum=0.5, max_norm=1.0)
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        fit(other, network(), toy(), out=tmp_path, resume=True)
    assert str(error.value) == (
        f"{tmp_path / LAST} was made by another recipe: optimizer was 'adam', is 'sgd'; "
        "momentum was 0.9, is 0.5; max_norm was None, is 1.0"
    )
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"going_on": {}}, "KeyError: 'step'"),
        ({"recipe": []}, "AttributeError"),
        ({"examples": None, "going_on": {"step": "x"}}, "KeyError|TypeError|examples"),
    ],
)
def test_odd_facts_are_refused_without_a_trace(tmp_path, change, words):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    good = checkpoints.read(tmp_path / LAST)
    checkpoints.write(tmp_path / LAST, dataclasses.replace(good, facts=good.facts | change))
    with pytest.raises(ValueError, match=words):
        fit(recipe(), network(), toy(), out=tmp_path, resume=True)


@pytest.mark.bad_input
def test_a_checkpoint_without_the_optimisers_state_is_not_gone_on_from(tmp_path):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    good = checkpoints.read(tmp_path / LAST)
    for optimizer in ({}, {99: good.optimizer[0]}):
        checkpoints.write(tmp_path / LAST, dataclasses.replace(good, optimizer=optimizer))
        with pytest.raises(CheckpointError, match="lacks what it takes to go on"):
            fit(recipe(), network(), toy(), out=tmp_path, resume=True)


@pytest.mark.bad_input
def test_more_classes_than_outputs_are_refused():
    trained, test = trained_by_hand()
    with pytest.raises(ValueError, match="labels below 3, the model's outputs; got 7"):
        evaluate(trained, Examples(test.x, torch.full_like(test.y, 7)))


class Watched(nn.Module):
    """A network that notes, for each forward pass of training, how many examples came and what was in which mode."""

    def __init__(self):
        super().__init__()
        self.norm, self.head, self.seen = nn.BatchNorm2d(1), nn.Linear(36, 3), []

    def forward(self, x):
        if torch.is_grad_enabled():
            self.seen.append((len(x), self.training, self.norm.training))
        return self.head(self.norm(x).flatten(1))


def test_an_empty_part_changes_batch_norm_only():
    model = Watched()
    fit(recipe(epochs=1, batch_size=36, accumulate=3), model, toy(n=38))  # a batch of 36 examples, one of 2
    assert model.seen == [(12, True, True)] * 3 + [(1, True, True)] * 2 + [(0, True, False)]


@pytest.mark.bad_input
def test_other_data_are_refused(tmp_path):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    with pytest.raises(ValueError, match="the training examples were 37, are 30"):
        fit(recipe(), network(), toy(n=30), out=tmp_path, resume=True)
    other = dataclasses.replace(toy(), name="other")
    with pytest.raises(ValueError, match="data was 'toy', is 'other'"):
        fit(recipe(), network(), other, out=tmp_path, resume=True)


class Explodes(torch.autograd.Function):
    """The identity; its gradient is infinite."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * torch.inf


class Exploding(nn.Module):
    def forward(self, x):
        return Explodes.apply(x)


@pytest.mark.bad_input
def test_a_gradient_that_no_scale_helps_is_not_skipped_for_ever():
    model = network()
    model.append(Exploding())
    before = {name: tensor.clone() for name, tensor in weights_of(model).items()}
    with pytest.raises(Diverged, match="not finite in step 40 of 60"):
        fit(recipe(epochs=12, precision="float16", block=20), model, toy())
    assert all(torch.equal(tensor, weights_of(model)[name]) for name, tensor in before.items())


@pytest.mark.bad_input
def test_another_model_or_a_checkpoint_without_state_is_refused(tmp_path):
    fit(recipe(epochs=1), network(), toy(), out=tmp_path)
    with pytest.raises(CheckpointError, match=f"{tmp_path / LAST} is of another model than this Sequential"):
        fit(recipe(), network(channels=3), toy(channels=3), out=tmp_path, resume=True)
    with pytest.raises(CheckpointError, match=f"{tmp_path / LAST} is of another model than this LeNet"):
        load(tmp_path / LAST)
    os.replace(tmp_path / BEST, tmp_path / LAST)
    with pytest.raises(CheckpointError, match=f"{tmp_path / LAST} holds weights only: it is to be used"):
        fit(recipe(), network(), toy(), out=tmp_path, resume=True)


@pytest.mark.bad_input
def test_diverged_names_step_epoch_and_step_size():
    model, dataset = network(norm=True), toy()
    plan = recipe(optimizer="sgd", schedule="constant", step_size=1e200, block=1000)
    with pytest.raises(Diverged) as error:
        fit(plan, model, dataset)
    assert "was not finite in step 2 of 15 (epoch 1), at step size 1e+200." in str(error.value)
    assert all(tensor.isfinite().all() for tensor in weights_of(model).values())
