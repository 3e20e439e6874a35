"""Choose the test images of Fashion-MNIST that come with the project: python scripts/bundle_fashion.py

Writes vitrm/data/fashion.npz: 100 images of each class, drawn by seed, their labels and their numbers among all test
images, and the md5 of the two files that they are from. The same again gives the same file.
"""

from __future__ import annotations

import argparse

import numpy as np
import torchvision.datasets

from vitrm.data.bundled import FASHION

SEED = 20_260_319
OF_EACH_CLASS = 100


def main() -> None:
    """Read the test images (downloaded, and checked by md5, unless they are there) and write the chosen ones."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data-root", default="data", help="where downloads go (default: data)")
    kind = torchvision.datasets.FashionMNIST
    test = kind(parser.parse_args().data_root, train=False, download=True)
    labels, random = test.targets.numpy(), np.random.default_rng(SEED)
    of_each = [random.choice(np.flatnonzero(labels == label), OF_EACH_CLASS, replace=False) for label in range(10)]
    numbers = np.sort(np.concatenate(of_each))
    np.savez_compressed(
        FASHION,
        images=test.data.numpy()[numbers, None],
        labels=labels[numbers].astype(np.uint8),
        numbers=numbers.astype(np.int16),
        total=np.array(len(labels)),
        source_md5=np.array([md5 for name, md5 in kind.resources if name.startswith("t10k")]),
    )
    print(f"{len(numbers):,} of {len(labels):,} test images in {FASHION}, {FASHION.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
