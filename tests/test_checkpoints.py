"""Checkpoints: what is written comes back bit for bit, whole or not at all, and nothing is executed."""

import errno
import os
import pickle

import pytest
import safetensors.torch
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from cnnkit import checkpoints
from cnnkit.checkpoints import Checkpoint, CheckpointError, load_weights, read, unwrap, weights_of, write
from tests import operators

FACTS = {
    "step": 7,
    "rate": 0.1 + 0.2,
    "names": ["ä", 'a "b"'],
    "deep": {"none": None, "yes": True},
    "empty": {},
}


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))


def assert_same_bits(got, expected):
    """The same names, dtypes, shapes and bits: also minus zero and each kind of NaN."""
    assert list(sorted(got)) == list(sorted(expected))
    for name, tensor in expected.items():
        assert (got[name].dtype, got[name].shape) == (tensor.dtype, tensor.shape), name
        assert bits(got[name]) == bits(tensor), name


def bits(tensor):
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).tolist()


# ----------------------------------------------------------------------------- round trip
def test_weights_optimizer_and_facts_come_back_bit_for_bit(tmp_path):
    weights = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    optimizer = {
        0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(4, 3)},
        11: {"exp_avg": torch.zeros(0)},
    }
    write(tmp_path / "a", Checkpoint(weights, FACTS, optimizer))
    back = read(tmp_path / "a")
    assert_same_bits(back.weights, weights)
    assert back.facts == FACTS
    assert sorted(back.optimizer) == [0, 11]
    for index, values in optimizer.items():
        assert_same_bits(back.optimizer[index], values)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.uint8, torch.bool],
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3, 4, 5)])
def test_every_dtype_and_shape(tmp_path, dtype, shape):
    tensor = (10 * operators.random(*shape)).to(dtype)
    write(tmp_path / "a", Checkpoint({"x": tensor}, {}))
    assert_same_bits(read(tmp_path / "a").weights, {"x": tensor})


def test_values_that_are_no_numbers(tmp_path):
    weights = {"x": torch.tensor([-0.0, torch.nan, torch.inf, -torch.inf, 5e-324], dtype=torch.float64)}
    write(tmp_path / "a", Checkpoint(weights, {}))
    assert_same_bits(read(tmp_path / "a").weights, weights)


@pytest.mark.parametrize("layout", operators.LAYOUTS.values(), ids=operators.LAYOUTS.keys())
@pytest.mark.parametrize("device", operators.DEVICES)
def test_written_contiguous_on_the_cpu(tmp_path, layout, device):
    x = layout(operators.random(2, 3, 4, 5).to(device))
    write(tmp_path / "a", Checkpoint({"x": x}, {}))
    back = read(tmp_path / "a").weights["x"]
    assert back.is_contiguous()
    assert back.device.type == "cpu"
    assert torch.equal(back, x.cpu())


def test_a_model_goes_on_in_its_own_memory_format(tmp_path):
    model, other = (
        network().to(memory_format=torch.channels_last),
        network().to(memory_format=torch.channels_last),
    )
    write(tmp_path / "a", Checkpoint(weights_of(model), {}))
    load_weights(other, read(tmp_path / "a").weights)
    assert_same_bits(weights_of(other), weights_of(model))
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert not other[0].weight.is_contiguous()


def test_a_model_keeps_its_parameters_dtype_and_gradients():
    model, other = network().double(), network()
    load_weights(other, weights_of(network()))
    parameters = list(other.parameters())
    load_weights(other, weights_of(model))
    assert all(a is b for a, b in zip(parameters, other.parameters(), strict=True))
    assert all(p.requires_grad and p.dtype == torch.float32 for p in parameters)
    torch.testing.assert_close(other[0].weight, model[0].weight.float())


def test_shared_tensors(tmp_path):
    def tied():
        model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
        model[1].weight = model[0].weight
        model[1].bias = nn.Parameter(model[0].weight[:, 1])  # a part of another tensor
        return model

    model, other = tied(), tied()
    write(tmp_path / "a", Checkpoint(weights_of(model), {}))
    load_weights(other, read(tmp_path / "a").weights)
    assert_same_bits(weights_of(other), weights_of(model))
    assert other[0].weight is other[1].weight


def test_any_project_can_read_the_weights(tmp_path):
    model, other = network(), network()
    write(tmp_path / "a.safetensors", Checkpoint(weights_of(model), FACTS))
    other.load_state_dict(safetensors.torch.load_file(tmp_path / "a.safetensors"))
    assert_same_bits(other.state_dict(), model.state_dict())


def test_writing_leaves_the_model_as_it_was(tmp_path):
    model = network()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    write(tmp_path / "a", Checkpoint(weights_of(model), {}))
    read(tmp_path / "a").weights["0.weight"].zero_()
    assert_same_bits(model.state_dict(), before)


# ----------------------------------------------------------------------------- names
def compiled(model):
    return torch.compile(model)  # compiles nothing before it is called


def test_names_are_plain_whatever_is_compiled():
    model = network()
    names = list(model.state_dict())
    assert list(compiled(model).state_dict()) != names
    assert list(weights_of(compiled(model))) == names
    assert unwrap(compiled(model)) is model
    assert unwrap(model) is model
    parts = network()
    parts[0], parts[4] = compiled(parts[0]), compiled(parts[4])
    assert list(parts.state_dict()) != names
    assert list(weights_of(parts)) == names
    load_weights(parts, weights_of(model))
    assert_same_bits(weights_of(parts), model.state_dict())


def test_names_are_plain_under_data_parallel():
    model = network()
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        for wrapped in (
            DistributedDataParallel(model),
            compiled(DistributedDataParallel(model)),
            DistributedDataParallel(compiled(model)),
        ):
            assert unwrap(wrapped) is model
            assert list(weights_of(wrapped)) == list(model.state_dict())
            load_weights(wrapped, weights_of(model))
    finally:
        dist.destroy_process_group()


def test_a_part_named_module_keeps_its_name():
    model = nn.ModuleDict({"module": nn.Linear(1, 1)})
    assert list(weights_of(model)) == ["module.weight", "module.bias"]


# ----------------------------------------------------------------------------- whole or not at all
def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EIO])
def test_an_error_in_the_middle_leaves_the_old_file(tmp_path, monkeypatch, step, code):
    path = tmp_path / "last.safetensors"
    write(path, Checkpoint({"x": torch.ones(3)}, {"step": 1}))
    before = path.read_bytes()
    monkeypatch.setattr(os, step, failing(OSError(code, os.strerror(code))))
    with pytest.raises(OSError, match=os.strerror(code)) as error:
        write(path, Checkpoint({"x": torch.zeros(3)}, {"step": 2}))
    assert (error.value.errno, error.value.filename) == (code, str(path))
    assert "what was there before is intact" in str(error.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]
    monkeypatch.undo()
    write(path, Checkpoint({"x": torch.zeros(3)}, {"step": 2}))
    assert read(path).facts == {"step": 2}


def test_what_a_killed_process_left_does_not_matter(tmp_path):
    path = tmp_path / "last.safetensors"
    (tmp_path / ".last.safetensors.unfinished").write_bytes(b"x" * 100_000)
    write(path, Checkpoint({}, {"step": 2}))
    assert read(path).facts == {"step": 2}
    assert os.listdir(tmp_path) == [path.name]


def test_on_the_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        original = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, name=name, original=original: (done.append(name), original(*a))[1]
        )
    checkpoints.write_file(tmp_path / "a", b"content")
    assert done == ["fsync", "replace", "fsync"]  # the file, its name, the folder
    assert (tmp_path / "a").read_bytes() == b"content"


@pytest.mark.bad_input
def test_a_missing_folder_is_named(tmp_path):
    path = tmp_path / "nowhere" / "a"
    with pytest.raises(FileNotFoundError) as error:
        write(path, Checkpoint({}, {}))
    assert error.value.filename == str(path)


# ----------------------------------------------------------------------------- other files
class Harmful:
    """A pickle of it writes a file as soon as it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "dump", [pickle.dump, lambda thing, file: torch.save(thing, file)], ids=["pickle", "torch"]
)
def test_a_pickle_is_refused_and_not_executed(tmp_path, dump):
    path, victim = tmp_path / "a.pt", tmp_path / "executed"
    with open(path, "wb") as file:
        dump({"weights": Harmful(victim)}, file)
    with pytest.raises(
        CheckpointError, match=r"a\.pt is not a whole safetensors file.*pickles .* are not read"
    ):
        read(path)
    assert not victim.exists()


@pytest.mark.bad_input
def test_a_file_cut_short_anywhere_is_refused(tmp_path):
    path = tmp_path / "a"
    write(path, Checkpoint({"x": torch.ones(2, 3), "y": torch.ones(1)}, FACTS))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
            read(path)
    path.write_bytes(whole + b"more")
    with pytest.raises(CheckpointError, match="is not a whole safetensors file"):
        read(path)


@pytest.mark.bad_input
@pytest.mark.parametrize("metadata", [None, {"other": "{}"}, {"cnnkit": "no json"}, {"cnnkit": "[1"}])
def test_tensors_of_another_program_are_refused(tmp_path, metadata):
    safetensors.torch.save_file({"x": torch.ones(2)}, tmp_path / "a", metadata)
    with pytest.raises(CheckpointError, match="holds tensors, but not what cnnkit writes beside them"):
        read(tmp_path / "a")


@pytest.mark.bad_input
def test_no_file_and_no_file_but_a_folder(tmp_path):
    for path in (tmp_path / "a", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"no checkpoint at {path}: there is no such file"):
            read(path)


# ----------------------------------------------------------------------------- another model's weights
@pytest.mark.bad_input
def test_another_models_weights_change_nothing():
    model, weights = network(), weights_of(network())
    before = {name: tensor.clone() for name, tensor in weights_of(model).items()}
    del weights["1.bias"], weights["4.bias"]
    weights |= {"4.weight": torch.zeros(3, 16), "head.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError) as error:
        load_weights(model, weights, "runs/last.safetensors")
    assert str(error.value) == (
        "runs/last.safetensors is of another model than this Sequential: it lacks 1.bias; lacks 4.bias; "
        "has head.weight, which the model has not; has 4.weight of shape (3, 16), the model of (2, 16)"
    )
    assert_same_bits(weights_of(model), before)


@pytest.mark.bad_input
def test_a_long_list_of_differences_is_cut():
    with pytest.raises(CheckpointError, match=r"lacks 1\.bias; lacks 1\.running_mean; and 4 more$"):
        load_weights(network(), {})
