"""Make cnnkit/assets/fashion-mnist-2000.npz, the part of Fashion-MNIST that cnnkit ships.

    python book/tools/make_fashion_mnist_subset.py [--root FOLDER] [--output FILE]

Takes the first 160 of each class in the training set and the first 40 of each class in the test set, in
their order there. Reads the full set by `cnnkit.data.fashion_mnist`, which checks its hashes: by default
from the Debian package dataset-fashion-mnist. The file has the same bytes wherever zlib is the original
one (not zlib-ng): its entries carry no date and no system.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np

from cnnkit import data

OUTPUT = Path(__file__).parents[2] / "cnnkit" / "assets" / "fashion-mnist-2000.npz"
TRAIN_PER_CLASS, TEST_PER_CLASS = 160, 40


def first_of_each_class(examples: data.Examples, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first ``count`` images of each class, in their order, uint8 (N, 28, 28), and their labels."""
    labels = examples.y.numpy()
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[:count] for label in np.unique(labels)]))
    return examples.x.numpy()[chosen, 0], labels[chosen].astype(np.uint8)


def subset(full: data.Dataset) -> dict[str, np.ndarray]:
    """The arrays of the file by name."""
    train_images, train_labels = first_of_each_class(full.train, TRAIN_PER_CLASS)
    test_images, test_labels = first_of_each_class(full.test, TEST_PER_CLASS)
    return {
        "train_images": train_images,
        "train_labels": train_labels,
        "test_images": test_images,
        "test_labels": test_labels,
    }


def npz_bytes(arrays: dict[str, np.ndarray]) -> bytes:
    """An npz file without dates, as `np.savez_compressed` does not promise it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return file.getvalue()


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description="Make the part of Fashion-MNIST that cnnkit ships.")
    parser.add_argument(
        "--root", type=Path, help="folder with the full set (default: as fashion_mnist looks)"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    arguments.output.write_bytes(npz_bytes(subset(data.fashion_mnist(arguments.root))))
    print(f"{arguments.output}: {arguments.output.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
