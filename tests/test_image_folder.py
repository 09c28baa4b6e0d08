"""Folders of images: what is listed, how files are decoded, and batches from real worker processes."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cnnkit.data import DataCorruptError, DataNotFoundError
from cnnkit.image_folder import ImageFiles, ImageFolder, batches, image_folder, read_image


def noise(seed: int, height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    """Eleven images of noise: PNG files, and every third a JPEG."""
    paths = []
    for index in range(11):
        paths.append(tmp_path / f"{index}.{'jpg' if index % 3 == 0 else 'png'}")
        Image.fromarray(noise(index)).save(paths[-1])
    return ImageFiles(tuple(paths), torch.arange(11) % 4)


def chunks(*indices: Iterable[int]) -> list[Tensor]:
    return [torch.tensor(list(chunk), dtype=torch.int64) for chunk in indices]


# ----------------------------------------------------------------------------- listing
def test_lists_files_in_order(tmp_path: Path) -> None:
    root = touch(
        tmp_path / "pets",
        "train/dog/b.PNG", "train/dog/a.jpeg", "train/cat/10.webp", "train/cat/2.bmp", "train/cat/3.jpg",
        "train/cat/notes.txt", "train/cat/.hidden.jpg", "train/.git/x.jpg", "train/README.md",
        "train/cat/deeper/x.jpg", "test/dog/c.jpg", "labels.csv",
    )  # fmt: skip
    (root / "train" / "cat" / "folder.jpg").mkdir()
    found = image_folder(root)
    assert (found.name, found.classes, found.mirror) == ("pets", ("cat", "dog"), True)
    names = [str(path.relative_to(root / "train")) for path in found.train.paths]
    assert names == ["cat/10.webp", "cat/2.bmp", "cat/3.jpg", "dog/a.jpeg", "dog/b.PNG"]
    assert (found.train.y.tolist(), found.train.y.dtype) == ([0, 0, 0, 1, 1], torch.int64)
    assert found.test.paths == (root / "test" / "dog" / "c.jpg",)
    assert found.test.y.tolist() == [1], "the label that the class has in train"
    assert (len(found.train), len(found.test)) == (5, 1)
    assert repr(found) == "ImageFolder(pets: 5 train and 1 test files; 2 classes: cat, dog)"
    assert repr(found.train) == "ImageFiles(5)"
    assert isinstance(found, ImageFolder)
    assert image_folder(str(root)).train.paths == found.train.paths


def test_name_of_the_folder_that_we_are_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(touch(tmp_path / "pets", "train/cat/1.jpg", "test/cat/2.jpg"))
    assert image_folder(".").name == "pets"


@pytest.mark.parametrize(
    ("present", "taken"),
    [
        (["val"], "val"),
        (["validation"], "validation"),
        (["validation", "val"], "val"),
        (["val", "test"], "test"),
    ],
)
def test_other_names_of_the_test_folder(tmp_path: Path, present: list[str], taken: str) -> None:
    root = touch(tmp_path, "train/cat/1.jpg", *(f"{name}/cat/1.jpg" for name in present))
    assert image_folder(root).test.paths == (root / taken / "cat" / "1.jpg",)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("present", "message"),
    [
        (["train"], r"{root}/train: no such folder"),
        (["train/cat/1.jpg"], "{root}: expected one of test, val, validation beside train"),
        (["train/1.jpg", "test/cat/1.jpg"], "{root}/train: expected one folder for each class"),
        (["train/cat/1.jpg", "test/1.jpg"], "{root}/test: expected one folder for each class"),
        (
            ["train/cat/1.jpg", "train/dog/1.txt", "test/cat/1.jpg"],
            r"{root}/train/dog: expected images \(.jpg",
        ),
        (["train/cat/1.jpg", "test/cat/1.txt"], r"{root}/test/cat: expected images \(.jpg, .*found none"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, present: list[str], message: str) -> None:
    with pytest.raises(DataNotFoundError, match=message.format(root=tmp_path)):
        image_folder(touch(tmp_path, *present))


@pytest.mark.bad_input
def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=f"{tmp_path}/none: no such folder; root must be"):
        image_folder(tmp_path / "none")


@pytest.mark.bad_input
def test_classes_that_were_not_learnt(tmp_path: Path) -> None:
    root = touch(
        tmp_path, "train/cat/1.jpg", "train/dog/1.jpg", "val/cat/1.jpg", "val/Dog/1.jpg", "val/emu/1.jpg"
    )
    with pytest.raises(ValueError, match=f"{root}/val .*{root}/train lacks; got Dog, emu,.*are cat, dog"):
        image_folder(root)


@pytest.mark.bad_input
def test_files_need_one_label_each() -> None:
    with pytest.raises(ValueError, match="1 files and 2 labels"):
        ImageFiles((Path("a.jpg"),), torch.tensor([0, 1]))


# ----------------------------------------------------------------------------- decoding
def test_centre_is_cut_out(tmp_path: Path) -> None:
    pixels = noise(0, 16, 24)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", 14)
    assert (image.dtype, image.shape) == (torch.uint8, (3, 14, 14))
    expected = torch.from_numpy(pixels)[1:15, 5:19].permute(2, 0, 1)
    assert torch.equal(image, expected), "the short side is 16 = 8/7 x 14 already: nothing is resized"


@pytest.mark.parametrize(("height", "width"), [(32, 48), (48, 32)])
def test_short_side_is_resized(tmp_path: Path, height: int, width: int) -> None:
    """A red square in the middle of blue, of half the short side: half of 16 pixels, in 14."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 2] = 255
    top, left = height // 2 - 8, width // 2 - 8
    pixels[top : top + 16, left : left + 16] = (255, 0, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    red = read_image(str(tmp_path / "a.png"), 14)[0] > 127
    expected = torch.zeros(14, 14, dtype=torch.bool)
    expected[3:11, 3:11] = True
    assert torch.equal(red, expected)


def test_shrinking_averages(tmp_path: Path) -> None:
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 200
    Image.fromarray(stripes).save(tmp_path / "a.png")
    for crop_seed in (None, 0):
        image = read_image(tmp_path / "a.png", 7, crop_seed).float()
        assert (image - 100).abs().max() < 40, "without averaging it is 0 or 200"


def test_every_kind_of_image_becomes_rgb(tmp_path: Path) -> None:
    colour, levels = noise(0, 8, 8), noise(1, 8, 8)[..., 0]
    images = {
        "rgb.png": (Image.fromarray(colour), colour),
        "rgb.bmp": (Image.fromarray(colour), colour),
        "rgb.webp": (Image.fromarray(colour), colour),
        "rgba.png": (Image.fromarray(np.dstack([colour, levels])), colour),
        "grey.png": (Image.fromarray(levels), np.dstack([levels] * 3)),
        "grey16.png": (Image.fromarray(levels.astype(np.uint16) * 256 + 7), np.dstack([levels] * 3)),
        "palette.png": (Image.fromarray(levels).convert("P"), np.dstack([levels] * 3)),
    }
    for name, (image, expected) in images.items():
        image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
        assert torch.equal(
            read_image(tmp_path / name, 7), torch.from_numpy(expected[:7, :7]).permute(2, 0, 1)
        ), name


@pytest.mark.parametrize("turn", range(1, 9))
def test_photographs_are_turned_upright(tmp_path: Path, turn: int) -> None:
    """The eight EXIF orientations: whatever is done to the stored image is undone when it is read."""
    stored_as = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    upright = Image.fromarray(noise(0, 16, 24))
    stored = upright.transpose(stored_as[turn]) if turn in stored_as else upright
    exif = Image.Exif()
    exif[0x0112] = turn
    upright.save(tmp_path / "upright.png")
    stored.save(tmp_path / "stored.png", exif=exif)
    stored.save(tmp_path / "stored.jpg", exif=exif, quality=95, subsampling=0)
    expected = read_image(tmp_path / "upright.png", 14)
    assert torch.equal(read_image(tmp_path / "stored.png", 14), expected)
    error = (read_image(tmp_path / "stored.jpg", 14).float() - expected.float()).abs().mean()
    assert error < 10, "two different images of noise differ by 85"


def test_random_crop(tmp_path: Path) -> None:
    """The image says in red and green where each pixel comes from."""
    rows, columns = np.mgrid[0:200, 0:240].astype(np.uint8)
    Image.fromarray(np.dstack([rows, columns, 0 * rows])).save(tmp_path / "a.png")
    heights, widths = [], []
    for seed in range(200):
        crop = read_image(tmp_path / "a.png", 20, seed)
        assert (crop.dtype, crop.shape) == (torch.uint8, (3, 20, 20))
        assert (crop[0].diff(dim=0) >= 0).all(), "never mirrored: that is not for this function to know"
        assert (crop[1].diff(dim=1) >= 0).all()
        heights.append((crop[0, -1, 0] - crop[0, 0, 0]).item() * 20 / 19)
        widths.append((crop[1, 0, -1] - crop[1, 0, 0]).item() * 20 / 19)
    area = np.array(heights) * np.array(widths) / (200 * 240)
    ratio = np.array(widths) / np.array(heights)
    assert 0.05 < area.min() < 0.15
    assert 0.8 < area.max() < 1.05
    assert 0.70 < ratio.min() < 0.80
    assert 1.25 < ratio.max() < 1.40


def test_crop_is_a_function_of_its_seed_and_global_states_stay(
    files: ImageFiles, request: pytest.FixtureRequest
) -> None:
    def states() -> list[object]:
        # beartype itself draws from Python's generator, so the shape checks cannot tell
        checked = request.config.getoption("jaxtyping_packages", None)
        return [
            torch.get_rng_state().tolist(),
            None if checked else random.getstate(),
            np.random.get_state()[2],
        ]

    torch.manual_seed(3)
    before = states()
    first, centre = read_image(files.paths[0], 8, 5), read_image(files.paths[0], 8)
    list(batches(files, chunks([0, 1]), image_size=8, device="cpu", workers=0, crop_seed=1))
    list(batches(files, chunks([0, 1]), image_size=8, device="cpu", workers=1, crop_seed=1))
    assert states() == before
    torch.manual_seed(4)
    assert torch.equal(read_image(files.paths[0], 8, 5), first)
    assert not torch.equal(read_image(files.paths[0], 8, 6), first)
    assert not torch.equal(centre, first)


def broken(folder: Path, kind: str) -> Path:
    """A damaged file."""
    path = folder / f"{kind}.png"
    whole = folder / "whole.jpg"
    Image.fromarray(noise(0, 100, 100)).save(whole)
    png = folder / "whole.png"
    Image.fromarray(noise(0, 100, 100)).save(png)
    content = {
        "text": b"I am no image\n",
        "empty": b"",
        "truncated jpeg": whole.read_bytes()[:3000],
        "header of a jpeg": whole.read_bytes()[:20],
        "truncated png": png.read_bytes()[:3000],
        "altered png": png.read_bytes()[:3000] + bytes(100) + png.read_bytes()[3100:],
    }.get(kind)
    if content is not None:
        path.write_bytes(content)
    elif kind == "folder":
        path.mkdir()
    return path


KINDS = [
    "text",
    "empty",
    "truncated jpeg",
    "header of a jpeg",
    "truncated png",
    "altered png",
    "folder",
    "missing",
]


@pytest.mark.bad_input
@pytest.mark.parametrize("crop_seed", [None, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_named(tmp_path: Path, kind: str, crop_seed: int | None) -> None:
    path = broken(tmp_path, kind)
    with pytest.raises(
        DataCorruptError, match=rf"^{path}: not an image that can be decoded \(\w+: .*Get the file"
    ):
        read_image(path, 8, crop_seed)


@pytest.mark.bad_input
@pytest.mark.parametrize("image_size", [0, -1, 2.5, True])
def test_image_size_is_checked(files: ImageFiles, image_size: int) -> None:
    with pytest.raises(ValueError, match=f"image_size must be a positive integer; got {image_size}"):
        read_image(files.paths[0], image_size)
    with pytest.raises(ValueError, match=f"image_size must be a positive integer; got {image_size}"):
        batches(files, [], image_size=image_size, device="cpu")


# ----------------------------------------------------------------------------- batches
@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("crop_seed", [None, 7])
def test_batches_in_the_order_of_the_chunks(files: ImageFiles, workers: int, crop_seed: int | None) -> None:
    order = chunks([3, 1], [], [10, 0, 2], [4], [5, 6, 7, 8, 9])
    made = list(batches(files, order, image_size=8, device="cpu", workers=workers, crop_seed=crop_seed))
    assert len(made) == len(order)
    for (x, y), chunk in zip(made, order, strict=True):
        assert (x.dtype, x.shape) == (torch.uint8, (len(chunk), 3, 8, 8))
        assert torch.equal(y, chunk % 4)
        assert y.dtype == torch.int64
        if crop_seed is None:
            for image, index in zip(x, chunk.tolist(), strict=True):
                assert torch.equal(image, read_image(files.paths[index], 8))


def test_crops_do_not_depend_on_workers_order_or_resuming(files: ImageFiles) -> None:
    def crops(order: list[Tensor], workers: int, crop_seed: int = 7) -> dict[int, Tensor]:
        made = batches(files, order, image_size=8, device="cpu", workers=workers, crop_seed=crop_seed)
        return {
            index: image
            for (x, _), chunk in zip(made, order, strict=True)
            for image, index in zip(x, chunk.tolist(), strict=True)
        }

    order = chunks([3, 1, 8], [10, 0, 2], [4, 6], [7, 5, 9])
    whole = crops(order, workers=0)
    assert len(whole) == 11
    for other in (
        crops(order, workers=2),
        crops(order[2:], workers=2),
        crops(order[1:], workers=0),
        crops(chunks(range(11)), workers=1),
    ):
        assert all(torch.equal(image, whole[index]) for index, image in other.items())
    another_epoch = crops(order, workers=0, crop_seed=8)
    assert not any(torch.equal(image, whole[index]) for index, image in another_epoch.items())


def test_examples_of_one_epoch_are_cropped_differently(tmp_path: Path) -> None:
    Image.fromarray(noise(0)).save(tmp_path / "a.png")
    files = ImageFiles((tmp_path / "a.png",) * 6, torch.zeros(6, dtype=torch.int64))
    [(x, _)] = batches(files, chunks(range(6)), image_size=8, device="cpu", workers=0, crop_seed=0)
    assert len({image.numpy().tobytes() for image in x}) == 6


def test_chunks_may_come_one_by_one_without_end(files: ImageFiles) -> None:
    def endless() -> Iterable[Tensor]:
        while True:
            yield from chunks([0, 1], [2])

    made = iter(batches(files, endless(), image_size=8, device="cpu", workers=2))
    assert [len(next(made)[1]) for _ in range(5)] == [2, 1, 2, 1, 2]


@pytest.mark.bad_input
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["text", "truncated jpeg"])
def test_a_damaged_file_is_named_in_the_caller(
    files: ImageFiles, tmp_path: Path, workers: int, kind: str
) -> None:
    path = broken(tmp_path, kind)
    paths = (*files.paths[:4], path, *files.paths[5:])
    made = batches(
        ImageFiles(paths, files.y),
        chunks([0, 1], [2, 3], [5, 4], [6]),
        image_size=8,
        device="cpu",
        workers=workers,
    )
    assert [len(next(made)[1]) for _ in range(2)] == [2, 2], "the batches before it are good"
    with pytest.raises(DataCorruptError) as caught:
        next(made)
    assert str(caught.value).startswith(f"{path}: not an image that can be decoded (")
    assert "Traceback" not in str(caught.value)


@pytest.mark.bad_input
@pytest.mark.parametrize("argument", [{"workers": -1}, {"crop_seed": -3}])
def test_arguments_are_checked_at_once(files: ImageFiles, argument: dict[str, int]) -> None:
    [(name, value)] = argument.items()
    with pytest.raises(ValueError, match=f"{name} must be .*integer of at least 0; got {value}"):
        batches(files, [], image_size=8, device="cpu", **argument)


def test_batches_go_to_the_device(files: ImageFiles) -> None:
    [(x, y)] = batches(files, chunks([0, 1]), image_size=8, device="meta", workers=0)
    assert (x.device.type, y.device.type) == ("meta", "meta")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_on_a_gpu(files: ImageFiles) -> None:
    order = chunks([3, 1], [], [10, 0, 2])
    torch.cuda.manual_seed_all(1)
    before = torch.cuda.get_rng_state()
    here = list(batches(files, order, image_size=8, device="cpu", workers=0, crop_seed=2))
    there = list(batches(files, order, image_size=8, device="cuda", workers=2, crop_seed=2))
    assert torch.equal(torch.cuda.get_rng_state(), before)
    for (x, y), (on_x, on_y) in zip(here, there, strict=True):
        assert (on_x.device.type, on_y.device.type) == ("cuda", "cuda")
        assert torch.equal(on_x.cpu(), x)
        assert torch.equal(on_y.cpu(), y)


def test_import_is_quick() -> None:
    code = "import sys, cnnkit.image_folder; print(*(m for m in ('torchvision', 'PIL') if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
