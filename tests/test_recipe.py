"""Recipes: what each field refuses, and the schedules of the step size."""

import dataclasses
import itertools
import json
import math

import pytest
import torch

from cnnkit.recipe import Recipe, step_size

NAN, INF = math.nan, math.inf


def test_defaults_are_a_recipe_and_stay_as_they_are():
    recipe = Recipe("lenet")
    assert (recipe.data, recipe.optimizer, recipe.schedule, recipe.precision) == (
        "mnist5k", "adam", "one-cycle", "float32",
    )  # fmt: skip
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.epochs = 3  # type: ignore[misc]
    assert recipe == Recipe(model="lenet")
    assert recipe != dataclasses.replace(recipe, seed=1)


def test_every_field_says_what_it_is():
    import inspect

    source = inspect.getsource(Recipe)
    for field, following in itertools.pairwise([*dataclasses.fields(Recipe), None]):
        end = source.index(f"    {following.name}: ") if following else source.index("    def ")
        assert '"""' in source[source.index(f"    {field.name}: ") : end], field.name


def test_through_json_and_back():
    recipe = Recipe(
        "lenet", data="./flowers", step_size=0.1 + 0.2, max_norm=3.0, image_size=96, precision="bfloat16",
        schedule="cosine", optimizer="adamw", validation=7, flip=True, seed=2**40,
    )  # fmt: skip
    assert Recipe(**json.loads(json.dumps(dataclasses.asdict(recipe)))) == recipe
    assert Recipe(**json.loads(json.dumps(dataclasses.asdict(Recipe("lenet"))))) == Recipe("lenet")


@pytest.mark.parametrize(
    "change",
    [
        {"validation": 0}, {"weight_decay": 0.0}, {"momentum": 0.0}, {"label_smoothing": 0.0}, {"seed": 0},
        {"workers": 0}, {"epochs": 1}, {"batch_size": 1}, {"accumulate": 1}, {"block": 1}, {"image_size": 1},
        {"image_size": None}, {"max_norm": None}, {"max_norm": 1e-9}, {"step_size": 1e30},
        {"momentum": 0.999}, {"label_smoothing": 0.999},
    ],
)  # fmt: skip
def test_values_at_the_ends_of_the_ranges_are_allowed(change):
    assert dataclasses.asdict(Recipe("lenet", **change)).items() >= change.items()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1; got 0"),
        ({"batch_size": -64}, "batch_size must be at least 1; got -64"),
        ({"accumulate": 0}, "accumulate must be at least 1; got 0"),
        ({"block": 0}, "block must be at least 1; got 0"),
        ({"image_size": 0}, "image_size must be at least 1; got 0"),
        ({"weight_decay": -1e-4}, "weight_decay must be at least 0; got -0.0001"),
        ({"weight_decay": INF}, "weight_decay must be at least 0 and finite; got inf"),
        ({"weight_decay": NAN}, "weight_decay must be at least 0; got nan"),
        ({"pad_crop": -1}, "pad_crop must be at least 0; got -1"),
        ({"cutout": -1}, "cutout must be at least 0; got -1"),
        ({"validation": -1}, "validation must be at least 0; got -1"),
        ({"workers": -1}, "workers must be at least 0; got -1"),
        ({"seed": -1}, "seed must be at least 0; got -1"),
        ({"step_size": 0.0}, "step_size must be greater than 0; got 0.0"),
        ({"step_size": INF}, "step_size must be greater than 0 and finite; got inf"),
        ({"step_size": NAN}, "step_size must be greater than 0; got nan"),
        ({"max_norm": 0}, "max_norm must be greater than 0; got 0"),
        ({"max_norm": -1.0}, "max_norm must be greater than 0; got -1.0"),
        ({"momentum": 1}, "momentum must be at least 0 and less than 1; got 1"),
        ({"momentum": -0.1}, "momentum must be at least 0 and less than 1; got -0.1"),
        ({"label_smoothing": 1.0}, "label_smoothing must be at least 0 and less than 1; got 1.0"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, adam, adamw; got 'lion'"),
        ({"flip": "no"}, "flip must be True or False; got 'no'"),
        ({"compile": None}, "compile must be True or False; got None"),
        ({"batch_size": True}, "batch_size must be a whole number; got True"),
        ({"step_size": "a"}, "step_size must be a number; got 'a'"),
        ({"weight_decay": None}, "weight_decay must be a number; got None"),
        ({"data": 3}, "data must be a name; got 3"),
        ({"schedule": "step"}, "schedule must be one of constant, cosine, one-cycle; got 'step'"),
        (
            {"precision": "float8"},
            "precision must be one of float32, tf32, bfloat16, float16, float64; got 'float8'",
        ),
    ],
)
def test_bad_input_names_field_value_and_expectation(change, message):
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        Recipe("lenet", **change)
    assert str(error.value) == message


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "name", ["epochs", "batch_size", "accumulate", "block", "image_size", "pad_crop", "seed"]
)
def test_bad_input_whole_numbers(name):
    with pytest.raises(ValueError, match=f"{name} must be a whole number; got 2.5"):
        Recipe("lenet", **{name: 2.5})


# ----------------------------------------------------------------------------- step sizes
def test_constant():
    recipe = Recipe("lenet", schedule="constant", step_size=0.25)
    assert [step_size(recipe, step, 7) for step in (0, 3, 6)] == [0.25] * 3


@pytest.mark.equation("eq-step-size")
def test_cosine_by_hand():
    recipe = Recipe("lenet", schedule="cosine", step_size=2.0)
    got = [step_size(recipe, step, 6) for step in (0, 2, 3, 4, 6)]
    assert got == pytest.approx([2, 1.5, 1, 0.5, 0], abs=1e-15)


def test_one_cycle_by_hand():
    recipe = Recipe("lenet", schedule="one-cycle", step_size=100.0)
    # 4 % of it; half of the way up; at the top after 30 %; half of the way down; zero after the last step
    got = [step_size(recipe, step, 200) for step in (0, 30, 60, 130, 200)]
    assert got == pytest.approx([4, 52, 100, 50, 0], abs=1e-12)


@pytest.mark.equation("eq-step-size")
@pytest.mark.parametrize("steps", [1, 2, 10, 77])
def test_cosine_is_torchs(steps):
    recipe = Recipe("lenet", schedule="cosine", step_size=0.3)
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        assert step_size(recipe, step, steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize("steps", [10, 97, 1000])
def test_one_cycle_rises_then_falls_without_a_jump(steps):
    recipe = Recipe("lenet", schedule="one-cycle", step_size=0.5)
    sizes = [step_size(recipe, step, steps) for step in range(steps + 1)]
    top = max(range(steps + 1), key=sizes.__getitem__)
    assert sizes[0] == 0.02
    assert abs(top - 0.3 * steps) < 1
    assert all(a < b for a, b in itertools.pairwise(sizes[: top + 1]))
    assert all(a > b for a, b in itertools.pairwise(sizes[top:]))
    assert all(0 < size <= 0.5 for size in sizes[:-1])
    steepest = max(0.96 / 0.3, math.pi / 2 / 0.7) * 0.5 / steps
    assert all(abs(a - b) <= steepest * (1 + 1e-9) for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_a_single_step_moves(schedule):
    assert step_size(Recipe("lenet", schedule=schedule), 0, 1) > 0
