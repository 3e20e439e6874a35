"""Make the examples that come with the project: python scripts/bundle_pictures.py FOLDER

FOLDER has the pictures of scikit-image's data (github.com/scikit-image/scikit-image, commit cd0a3d22b,
src/_skimage2/data). Each is made at most 640 pixels long and written as WebP into app/uploads/examples/, without
metadata; the test images are written as they are. Where all are from is in pictures.LICENSE beside them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.uploads.examples.examples import EXAMPLES, FOLDER  # noqa: E402
from vitrm.data.bundled import bundled  # noqa: E402
from vitrm.data.sources import load_dataset  # noqa: E402

LONGEST, QUALITY = 640, 80
TEST_IMAGES = {"digit.png": ("digits", 14), "sneaker.png": ("fashion", 717), "shirt.png": ("fashion", 284)}


def main() -> None:
    """Write them, and say how large they are."""
    (folder,) = sys.argv[1:] or sys.exit(__doc__.partition("\n")[0])
    for example in EXAMPLES:
        file = FOLDER / example.file
        if example.file in TEST_IMAGES:
            image = test_image(*TEST_IMAGES[example.file])
            image.save(file, optimize=True)
        else:
            (source,) = Path(folder).glob(f"{file.stem}.*")
            image = Image.open(source)
            image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
            image.save(file, quality=QUALITY, method=6)
        print(f"{file.name}: {image.width} x {image.height}, {file.stat().st_size:,} bytes")


def test_image(source: str, number: int) -> Image.Image:
    """A test image of a data set, pixel by pixel."""
    if source == "digits":
        return Image.fromarray(load_dataset(source, 8, 1).test.images[number, 0].numpy())
    few = bundled(source, (1, 28, 28))
    return Image.fromarray(few.images.images[few.find(number), 0].numpy())


if __name__ == "__main__":
    main()
