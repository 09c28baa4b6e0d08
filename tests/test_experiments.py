"""Stored experiments: complete, by the code that is there, and one seed gives the stored numbers again."""

import dataclasses
import importlib
import json
import statistics
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import architectures, convolution, inference, pairs, record, training, weights
from cnnkit import data, train

FOLDER = Path(record.__file__).parent / "experiments"
EXPERIMENTS = sorted(path.stem for path in FOLDER.glob("*.py"))


def load(name):
    experiment = importlib.import_module(f"benchmarks.experiments.{name}")
    return experiment, json.loads((record.RESULTS / f"{name.replace('_', '-')}.json").read_text())


def approximately(value, tolerance):
    if isinstance(value, dict):
        return {key: approximately(v, tolerance) for key, v in value.items()}
    if isinstance(value, list):
        return [approximately(v, tolerance) for v in value]
    return pytest.approx(value, rel=tolerance)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_stored_result_is_complete(name):
    experiment, result = load(name)
    assert result["settings"] == experiment.SETTINGS
    assert result["seeds"] == list(experiment.SEEDS)
    assert len(result["runs"]) == len(result["seeds"])
    assert result["command"] == f"python -m benchmarks.experiments.{name}"
    assert {"processor", "device", "python", "torch", "date"} <= set(result["environment"])


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_seed_at_small_size_gives_the_stored_numbers(name):
    experiment, result = load(name)
    small = result["small"]
    assert experiment.run(small["seed"], **experiment.SMALL) == approximately(
        small["run"], experiment.TOLERANCE
    )


def test_a_changed_number_is_noticed():
    stored = {"full": [1.0, 2.0]}
    assert approximately(stored, 1e-6) == {"full": [1.0, 2.0 + 1e-9]}
    assert approximately(stored, 1e-6) != {"full": [1.0, 2.1]}
    assert approximately(stored, 1e-6) != {"full": [1.0]}


def test_the_stored_figures_of_the_site_meet_their_targets():
    stored = json.loads((record.RESULTS / "site.json").read_text())
    at_most = {"build_seconds", "first_chapter_kilobytes"}
    for name, target in stored["targets"].items():
        value = stored["median"][name]
        assert value <= target if name in at_most else value >= target, name


def test_the_stored_times_of_convolution_are_complete_and_meet_their_targets():
    stored = json.loads((record.RESULTS / "convolution.json").read_text())
    assert stored["targets"] == convolution.TARGETS
    assert stored["repeats"] >= 5
    table = stored["tables"]["float32"]
    assert list(table["layers"]) == list(convolution.LAYERS)
    for what, measured in (("time", "milliseconds"), ("memory", "megabytes")):
        ratios = [row[measured]["ratio"] for row in table["layers"].values()]
        mean = convolution.geometric_mean(ratios)
        assert mean == pytest.approx(table["geometric_mean"][what], abs=1e-3)
        assert mean <= convolution.TARGETS[what]


def test_the_stored_times_of_training_are_complete_and_meet_their_targets():
    stored = json.loads((record.RESULTS / "training.json").read_text())
    targets = stored["targets"]
    assert targets == training.TARGETS
    assert stored["repeats"] >= 5
    assert set(stored["flags_seconds"]) == set(training.FLAGS)
    assert stored["epoch_seconds"]["DataLoader"]["ratio"] >= targets["loader_over_ours"]
    assert stored["megabytes"]["2 epochs"]["extra"] <= targets["extra_megabytes"]
    goal = stored["accuracy"]["6 epochs"]
    assert len(goal["test_accuracy"]) == 5
    assert goal["mean"] >= targets["accuracy"]
    assert max(goal["whole_seconds"]) <= targets["seconds_to_accuracy"]


def test_the_stored_times_of_inference_are_complete_and_meet_their_targets():
    stored = json.loads((record.RESULTS / "inference.json").read_text())
    targets = stored["targets"]
    assert targets == inference.TARGETS
    assert stored["repeats"] >= 5
    for depth in inference.DEPTHS:
        for what in ("answering", "learning"):
            ratio = stored[f"resnet{depth}_{what}_seconds"]["torchvision"]["ratio"]
            assert ratio >= targets["our_speed_over_torchvision"], (depth, what)
    assert stored["ways_seconds"]["eager float32"]["ratio"] >= targets["tuned_speed_over_eager"]
    assert stored["answers"]["images"] == 1000
    assert stored["answers"]["same"] >= targets["same_answers"]


def test_turns_give_medians_and_ratios_within_a_turn():
    ours, theirs = iter([100, 1, 2, 3, 4, 5]), iter([100, 2, 2, 9, 8, 20])  # the first turn is to warm up
    found = pairs.take_turns({"ours": ours.__next__, "theirs": theirs.__next__}, 5, against="ours")
    assert found["ours"] == {"median": 3, "least": 1, "largest": 5, "ratio": 1}
    assert found["theirs"] == {"median": 8, "least": 2, "largest": 20, "ratio": 2}


def half_written(path, text, encoding):
    path.write_bytes(text.encode(encoding)[:5])
    raise OSError("disk full")


def test_store_writes_all_or_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    path = record.write("made-up", {"runs": [1]})
    assert json.loads(path.read_text()) == {"runs": [1]}
    monkeypatch.setattr(record.Path, "write_text", half_written)
    with pytest.raises(OSError, match="disk full"):
        record.write("made-up", {"runs": [2]})
    assert json.loads(path.read_text()) == {"runs": [1]}


def test_hidden_filter_by_hand():
    # Without noise and with enough examples each layer finds the rule, and only the shared one carries over.
    experiment, _ = load("hidden_filter")
    errors = experiment.run(0, n=10, kernel_size=3, noise=0.0, examples=[50], tests=20)
    assert max(errors["everywhere"][kind][0] for kind in experiment.FITS) < 1e-20
    assert errors["elsewhere"]["shared"][0] < 1e-20
    assert min(errors["elsewhere"][kind][0] for kind in ("full", "local")) > 0.1


def test_connectivity_networks_have_the_counted_parameters():
    experiment, _ = load("connectivity")
    kinds = ("full", "local", "shared")
    counts = [experiment.parameters(experiment.network(kind, 3)) for kind in kinds]
    assert counts == [853_130, 113_930, 9_098]
    assert experiment.parameters(experiment.network("shared", 1, "max")) == 266


def test_the_shipped_weights_meet_their_targets_and_are_those_of_the_stored_result():
    stored = json.loads((record.RESULTS / "lenet-weights.json").read_text())
    assert stored["targets"] == weights.TARGETS
    assert len(stored["seeds"]) == len(stored["test_accuracy"]) >= 5
    assert stored["mean"] == pytest.approx(sum(stored["test_accuracy"]) / len(stored["seeds"]), abs=1e-4)
    assert stored["mean"] >= weights.TARGETS["mean_test_accuracy"]
    assert stored["bytes"] == weights.SHIPPED.stat().st_size <= weights.TARGETS["bytes"]
    shipped = train.pretrained("lenet-mnist5k", device="cpu")
    assert asdict(shipped.recipe) == stored["recipe"]
    assert shipped.history[-1]["test_accuracy"] == stored["test_accuracy"][0]


def test_the_stored_comparison_is_of_the_networks_as_they_are():
    stored = json.loads((record.RESULTS / "architectures.json").read_text())
    assert len(stored["seeds"]) == architectures.SEEDS >= 5
    recipes = architectures.recipes(on_gpu=False)
    assert list(stored["networks"]) == list(recipes)
    for name, recipe in recipes.items():
        network = dict(stored["networks"][name])
        assert len(network.pop("runs")) == len(stored["seeds"])
        assert network == architectures.facts(recipe)
        for what in ("training", "answering"):
            assert stored["speed"][what][name]["median"] > 0


def test_kept_for_backward_counts_maps_and_no_parameters():
    # 2 images of 1x4x4: the convolution keeps its input and the ReLU its output, 3 maps of 4x4
    model = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU())
    assert architectures.kept_for_backward(model, torch.zeros(2, 1, 4, 4)) == 4 * 2 * (16 + 3 * 16)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_every_network_of_the_comparison_can_be_made(on_gpu):
    for recipe in architectures.recipes(on_gpu).values():
        with torch.device("meta"):
            model = architectures.network(recipe)
            assert model(architectures.images(recipe, 2)).shape == (2, 10)


@pytest.mark.parametrize("on_gpu", [False, True])
def test_a_run_of_the_comparison(on_gpu):
    few = data.fashion_mnist_2000()
    recipe = dataclasses.replace(architectures.recipes(on_gpu)["lenet"], epochs=1)
    found = architectures.run(recipe, 0, few)
    assert {"diverged", "test_accuracy", "train_loss"} <= set(found)
    assert 0 <= found["test_accuracy"] <= 1


def test_the_speed_of_the_comparison_with_the_settings_of_a_gpu(monkeypatch):
    # narrow networks, a small batch and a step or two: whether bfloat16, channels-last and fused updates go through
    monkeypatch.setattr(architectures, "BATCH", 2)
    monkeypatch.setattr(
        architectures, "_rate", lambda step, rate=architectures._rate: rate(step, least_seconds=0)
    )
    recipes = {
        name: dataclasses.replace(recipe, width=1 / 16)
        for name, recipe in architectures.recipes(on_gpu=True).items()
        if name != "vgg11_bn"  # one batch norm is like another, and VGG is slow
    }
    speed = architectures.speeds(recipes, turns=1)
    for what in ("training", "answering"):
        assert list(speed[what]) == list(recipes)
        assert all(row["median"] > 0 for row in speed[what].values())
        assert speed[what]["lenet"]["ratio"] == 1


def test_a_comparison_that_is_stopped_keeps_what_it_has(monkeypatch, tmp_path):
    def stop_at_second_seed(recipe, seed, dataset):
        if seed == 1:
            raise KeyboardInterrupt
        return {"diverged": True}

    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(architectures, "run", stop_at_second_seed)
    monkeypatch.setattr(architectures, "facts", lambda recipe: {})
    monkeypatch.setattr(data, "fashion_mnist", data.fashion_mnist_2000)
    with pytest.raises(KeyboardInterrupt):
        architectures.train_all("architectures-cuda", 100, on_gpu=True)
    assert [path.name for path in tmp_path.iterdir()] == ["architectures-cuda.json"]
    kept = json.loads((tmp_path / "architectures-cuda.json").read_text())
    assert kept["seeds"] == [0]
    assert kept["networks"]["vgg11"]["runs"] == [{"diverged": True}]


@pytest.mark.skipif(
    not (record.RESULTS / "architectures-cuda.json").exists(), reason="full size is not measured here"
)
def test_at_full_size_no_run_is_lost_and_each_median_is_as_high_as_theirs():
    stored = json.loads((record.RESULTS / "architectures-cuda.json").read_text())
    for name, median in architectures.THEIRS.items():
        runs = stored["networks"][name]["runs"]
        assert not any(run["diverged"] for run in runs), name
        assert statistics.median(run["test_accuracy"] for run in runs) >= median, name


def test_what_the_search_for_lost_runs_calls_ours_is_the_recipe_of_the_comparison():
    experiment, _ = load("runs_at_chance")
    recipes = architectures.recipes(on_gpu=False)
    first, changed = experiment.WAYS["ours"]
    assert first == "He"
    for name, (width, image_size, _) in experiment.NETWORKS.items():
        recipe = asdict(recipes[name])
        assert (recipe["width"], recipe["image_size"]) == (width, image_size)
        assert changed.items() <= recipe.items()  # all but the batch size: there are fewer images
