"""Folders of images that do not fit into memory: listed once, decoded batch by batch.

`image_folder` lists the files and labels of a set with the layout ``root/train/<class>/*.jpg``, `read_image`
decodes and crops one of them, and `batches` does so for the indices that it is given, in processes beside
this one, while this one computes with the batch before.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.utils.data
from jaxtyping import Int64, UInt8
from torch import Tensor

from cnnkit.data import DataCorruptError, DataNotFoundError

__all__ = ["ImageFiles", "ImageFolder", "batches", "image_folder", "read_image"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
TEST_FOLDERS = ("test", "val", "validation")


# ----------------------------------------------------------------------------- what you get
@dataclass(frozen=True, eq=False, repr=False)
class ImageFiles:
    """Image files and their labels.

    Attributes:
        paths: the files.
        y: their labels, int64 (N,).
    """

    paths: tuple[Path, ...]
    y: Int64[Tensor, " n"]

    def __post_init__(self) -> None:
        """Refuse files without labels."""
        if len(self.paths) != len(self.y):
            raise ValueError(
                f"paths and y must be equally long; got {len(self.paths)} files and {len(self.y)} labels"
            )

    def __len__(self) -> int:
        """N."""
        return len(self.paths)

    def __repr__(self) -> str:
        """The number of files, the same on every machine."""
        return f"ImageFiles({len(self)})"


@dataclass(frozen=True, eq=False, repr=False)
class ImageFolder:
    """The files to learn from, the files to judge by, and what the labels mean.

    Attributes:
        name: the name of the folder.
        train: what to learn from.
        test: what to judge by.
        classes: ``classes[label]`` is the name of a label.
        mirror: a mirrored example is still of its class: so of most photographs, not of written text.
    """

    name: str
    train: ImageFiles
    test: ImageFiles
    classes: tuple[str, ...]
    mirror: bool = True

    def __repr__(self) -> str:
        """The sizes and classes, the same on every machine."""
        return (
            f"ImageFolder({self.name}: {len(self.train)} train and {len(self.test)} test files; "
            f"{len(self.classes)} classes: {', '.join(self.classes)})"
        )


# ----------------------------------------------------------------------------- listing
def image_folder(root: str | Path) -> ImageFolder:
    """List the images of ``root/train/<class>/`` and ``root/test/<class>/``; none is opened.

    ``val`` or ``validation`` may stand for ``test``; of several the first in this order is taken. Images are
    the files directly in a class folder that end in .jpg, .jpeg, .png, .webp or .bmp, in small or capital
    letters. Names that begin with a dot are passed over. The labels are 0, 1, ... in the order of the class
    folders' names, and the files of a class are in the order of their names.

    Args:
        root: the folder.

    Returns:
        The files and labels of both sets.

    Raises:
        DataNotFoundError: a folder is missing or without images; the message names it.
        ValueError: the test set has a class that the training set lacks.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataNotFoundError(f"{root}: no such folder; root must be a folder with train/ and test/ in it")
    train = root / "train"
    if not train.is_dir():
        raise DataNotFoundError(f"{train}: no such folder; expected {train / '<class>' / '*.jpg'}")
    test = next((root / name for name in TEST_FOLDERS if (root / name).is_dir()), None)
    if test is None:
        raise DataNotFoundError(f"{root}: expected one of {', '.join(TEST_FOLDERS)} beside train, found none")

    classes = _classes(train)
    unknown = [name for name in _classes(test) if name not in classes]
    if unknown:
        raise ValueError(
            f"{test} must have no class that {train} lacks; got {', '.join(unknown)}, "
            f"and the classes of train are {', '.join(classes)}"
        )
    return ImageFolder(root.resolve().name, _files(train, classes), _files(test, classes), classes)


def _classes(folder: Path) -> tuple[str, ...]:
    names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    if not names:
        raise DataNotFoundError(f"{folder}: expected one folder for each class in it, found none")
    return tuple(names)


def _files(folder: Path, classes: tuple[str, ...]) -> ImageFiles:
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():  # a class without test images
            continue
        found = sorted(
            entry.name
            for entry in os.scandir(folder / name)
            if entry.name.lower().endswith(SUFFIXES) and entry.name[0] != "." and entry.is_file()
        )
        if not found:
            raise DataNotFoundError(f"{folder / name}: expected images ({', '.join(SUFFIXES)}), found none")
        paths += [folder / name / file for file in found]
        labels += [label] * len(found)
    return ImageFiles(tuple(paths), torch.tensor(labels))


# ----------------------------------------------------------------------------- decoding
def read_image(path: str | Path, image_size: int, crop_seed: int | None = None) -> UInt8[Tensor, "3 s s"]:
    """Decode an image and cut a square out of it: the centre, or a random part for training.

    Grey images get three equal channels, transparency is dropped, and a photograph that was stored lying on
    its side (EXIF orientation) is turned upright.

    Args:
        path: the file.
        image_size: the side s of the square, in pixels.
        crop_seed: without it, the short side is resized to round(8/7 s) and the s x s pixels in the centre
            are cut out. With it, a rectangle of 8 to 100 % of the area, of width : height from 3 : 4 to
            4 : 3, is drawn from this seed alone and resized to s x s.

    Returns:
        Red, green and blue, uint8 (3, s, s).

    Raises:
        ValueError: image_size is not a positive integer.
        DataCorruptError: the file is damaged, no image, or cannot be read; the message names it.

    Source: Szegedy et al. 2015 for the random rectangle; 224 pixels out of 256 for the centre, as in
    Krizhevsky et al. 2012.
    """
    _check_size(image_size)
    from PIL import Image, ImageOps
    from torchvision.transforms import v2

    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I;16"):  # Pillow would cut its values at 255
                upright = Image.fromarray((np.asarray(upright) >> 8).astype(np.uint8))
            pixels = v2.functional.pil_to_tensor(upright.convert("RGB"))
    except Exception as error:  # Pillow's decoders answer damage with almost any kind of error
        raise DataCorruptError(
            f"{path}: not an image that can be decoded ({type(error).__name__}: {error}). "
            "Get the file again, or take it out of the set."
        ) from error

    if crop_seed is None:
        square = v2.Compose([v2.Resize(round(image_size * 8 / 7)), v2.CenterCrop(image_size)])
        return square(pixels)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(crop_seed)  # torch.manual_seed would seed the GPUs too
        return v2.RandomResizedCrop(image_size)(pixels)


def _check_size(image_size: int) -> None:
    if not isinstance(image_size, int) or isinstance(image_size, bool) or image_size < 1:
        raise ValueError(f"image_size must be a positive integer; got {image_size!r}")


# ----------------------------------------------------------------------------- batches
def batches(
    files: ImageFiles,
    chunks: Iterable[Int64[Tensor, "_"]],
    *,
    image_size: int,
    device: torch.device | str,
    workers: int = 2,
    crop_seed: int | None = None,
) -> Iterator[tuple[UInt8[Tensor, "n 3 s s"], Int64[Tensor, " n"]]]:
    """One batch for each tensor of indices, in their order, decoded in processes beside this one.

    The random crop of an example is a function of ``crop_seed`` and of its index only: it does not depend on
    the number of workers, on the order, or on where a run was resumed. The global random state of this
    process stays as it is.

    Args:
        files: where the images are.
        chunks: the indices of each batch; an empty tensor gives an empty batch.
        image_size: the side s of the images, in pixels.
        device: where to put the tensors; they are copied to a GPU while this process goes on.
        workers: the number of processes; 0 decodes in this one.
        crop_seed: an integer of at least 0 for random crops, another one for each epoch; without it the
            centre is taken. See `read_image`.

    Returns:
        An iterator over pairs of images, uint8 (n, 3, s, s), and their labels, int64 (n,).

    Raises:
        ValueError: image_size, workers or crop_seed is out of range.
        DataCorruptError: while iterating, when a batch has a file that cannot be decoded; the message names
            the file.
    """
    _check_size(image_size)
    if workers < 0:
        raise ValueError(f"workers must be an integer of at least 0; got {workers}")
    if crop_seed is not None and crop_seed < 0:
        raise ValueError(f"crop_seed must be None or an integer of at least 0; got {crop_seed}")
    device = torch.device(device)
    if workers:  # imported here once, not in each process that is forked from this one
        importlib.import_module("torchvision.transforms.v2")
    loader = torch.utils.data.DataLoader(
        _Decoder(files, image_size, crop_seed),
        batch_size=None,  # an item of the data set is a whole batch
        sampler=(chunk.tolist() for chunk in chunks),  # a tensor would go through shared memory
        num_workers=workers,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # else it draws from the global one
    )
    return _copied(loader, device)


def _copied(
    loader: Iterable[tuple[Tensor, Tensor] | DataCorruptError], device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    for batch in loader:
        if isinstance(batch, DataCorruptError):
            raise batch
        x, y = batch
        yield x.to(device, non_blocking=True), y.to(device, non_blocking=True)


@dataclass(frozen=True)
class _Decoder(torch.utils.data.Dataset):
    files: ImageFiles
    image_size: int
    crop_seed: int | None

    def __getitem__(self, chunk: list[int]) -> tuple[Tensor, Tensor] | DataCorruptError:
        """A batch, or the error: raised in a worker, it would come back as the text of a traceback."""
        try:
            images = [read_image(self.files.paths[i], self.image_size, self._seed(i)) for i in chunk]
        except DataCorruptError as error:
            return error
        x = torch.stack(images) if images else torch.empty(0, 3, *[self.image_size] * 2, dtype=torch.uint8)
        return x, self.files.y[chunk]

    def _seed(self, index: int) -> int | None:
        if self.crop_seed is None:
            return None
        return int(np.random.SeedSequence((self.crop_seed, index)).generate_state(1)[0])
