"""How often Your image offers the right model: python scripts/measure_offers.py --photographs SOURCE

Gives test images of each kind to each model of MODELS, and asks after each which of the others would be offered in its
place (app/uploads/offer.py). Writes app/uploads/offers.csv. SOURCE is photographs of 32 x 32 pixels as `--data` names
them, such as parquet:data/cifar10-jpeg. Digits are all test images, clothes those that come with the project, of the
photographs the first 2,000 of the test split. No image is trained on, and none chose the warnings' thresholds.
Clothes are measured as they are in Fashion-MNIST, light on black, and as they are photographed, on white: as on the
page, a picture on a light ground is made a negative for a model of images that are mostly dark.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from app.uploads.offer import COLUMNS, MEASURED, Familiarity, best  # noqa: E402
from app.uploads.tray import is_on_light_paper, wants_light_on_dark  # noqa: E402
from vitrm.config import Config  # noqa: E402
from vitrm.data.bundled import bundled  # noqa: E402
from vitrm.data.dataset import Preprocess, Split  # noqa: E402
from vitrm.data.sources import load_dataset  # noqa: E402
from vitrm.judge.domain import fitted  # noqa: E402
from vitrm.judge.evaluation import predict_steps  # noqa: E402
from vitrm.runs.checkpoints import find_run  # noqa: E402

MODELS = ("photo", "digits-glimpse", "fashion-glimpse")  # of each data set the one that the app would offer
SEED = 0  # of the glimpses


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photographs", required=True, help="a source of 32 x 32 photographs")
    parser.add_argument("--models", nargs="+", default=MODELS, help="one of each data set")
    arguments = parser.parse_args()
    clothes = bundled("fashion", (1, 28, 28)).images
    photographs = load_dataset(arguments.photographs, 32, 3).test
    sets = {
        "handwritten digits": load_dataset("digits", 8, 1).test,
        "clothes of Fashion-MNIST": clothes,
        "the same on white": Split(255 - clothes.images, clothes.labels),
        "photographs of CIFAR-10": photographs.subset(slice(0, 2_000)),
    }
    rows = []
    for images, split in sets.items():
        known = {name: familiarities(name, split) for name in arguments.models}
        for chosen in arguments.models:
            others = [name for name in arguments.models if name != chosen]
            offers = Counter(
                best(known[chosen][k], {name: known[name][k] for name in others}) for k in range(len(split))
            )
            for name in others:
                share = f"{offers[name] / len(split):.4f}"
                rows.append((chosen, images, len(split), name, share, SEED))
            print(f"{chosen} chosen, {images} (n = {len(split):,}): {dict(offers)}")
    with MEASURED.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def familiarities(name: str, split: Split) -> list[Familiarity]:
    """How familiar every image is to a model."""
    run = find_run(name)
    config, report = run.config(), run.report("domain")
    given = fitted(as_on_the_page(split, config), config.model.channels, config.model.image_size)
    preprocess = Preprocess(config.model.image_size, config.data.mean, config.data.std)
    steps = predict_steps(run.load_model(), preprocess, given, seed=SEED)
    scores = report.score(given.images.numpy(), steps.logits[config.model.supervision_steps - 1].numpy())
    return [Familiarity(float(score), report.threshold) for score in np.asarray(scores)]


def as_on_the_page(split: Split, config: Config) -> Split:
    """The images, negatives where the page would make one; see `app.uploads.tray.Given`."""
    if not wants_light_on_dark(config):
        return split
    images = split.images[:].clone()
    for k, pixels in enumerate(images):
        if is_on_light_paper(Image.fromarray(pixels.movedim(0, -1).squeeze(-1).numpy())):
            images[k] = 255 - pixels
    return Split(images, split.labels)


if __name__ == "__main__":
    main()
