"""Augmentation: what each option does to the pixels and to the targets, and that off means unchanged."""

from dataclasses import replace

import pytest
import torch

from vitrm.config import TrainConfig
from vitrm.training.augment import augment, mix, random_affine, random_crop, random_erase
from vitrm.training.randaugment import BLENDED, GEOMETRIC, OPERATIONS, apply, randaugment

OFF = TrainConfig(crop_pad=0, flip=False, affine=0.0, randaugment_ops=0, mixup_alpha=0.0, cutmix_alpha=0.0)


def _images(batch=32, channels=3, size=8):
    return torch.randint(1, 256, (batch, channels, size, size), dtype=torch.uint8)


def _copies(batch=64, channels=3, size=16):
    """One image, many times: differences after augmentation can only come from the draws."""
    return _images(1, channels, size).expand(batch, -1, -1, -1).clone()


def _different(images):
    return len({image.numpy().tobytes() for image in images})


def test_everything_off_leaves_pixels_and_labels_as_they_are():
    images, labels = _images(), torch.arange(32) % 10
    assert torch.equal(augment(images, OFF), images)
    mixed, targets = mix(images.float(), labels, 10, OFF)
    assert torch.equal(mixed, images.float())
    assert targets is labels


def test_a_crop_is_a_window_of_the_zero_padded_image():
    images = _images(batch=40)
    windows = torch.nn.functional.pad(images, [2] * 4).unfold(2, 8, 1).unfold(3, 8, 1)  # (B, C, 5, 5, 8, 8)
    found = set()
    for crop, window in zip(random_crop(images, 2), windows, strict=True):
        matches = (window == crop[:, None, None]).all(dim=(0, 3, 4)).nonzero().tolist()
        assert len(matches) == 1
        found.add(tuple(matches[0]))
    assert len(found) > 15  # 40 draws from 25 offsets hit 20 of them on average


def test_crop_reaches_every_offset_and_the_corners():
    image = torch.zeros(1, 1, 3, 3, dtype=torch.uint8)
    image[0, 0, 1, 1] = 9
    crops = random_crop(image.expand(400, -1, -1, -1), 1)
    positions = {tuple(crop[0].nonzero()[0].tolist()) for crop in crops}
    assert positions == {(row, column) for row in range(3) for column in range(3)}


def test_flip_mirrors_about_half_of_the_images_and_leaves_the_others():
    images = _images(batch=400)
    flipped = augment(images, replace(OFF, flip=True))
    mirrored = (flipped == images.flip(-1)).all(dim=(1, 2, 3))
    kept = (flipped == images).all(dim=(1, 2, 3))
    assert bool((mirrored ^ kept).all())
    assert 150 < int(mirrored.sum()) < 250  # five standard deviations around 200


@pytest.mark.parametrize("channels", [1, 3])
def test_randaugment_draws_for_every_image_of_its_own(channels):
    images = _copies(channels=channels)
    changed = augment(images, replace(OFF, randaugment_ops=2, randaugment_magnitude=9))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert _different(changed) > 16


def _photo(channels, height=32, width=32):
    """Smooth ramps and noise: an image in which every operation shows."""
    rows, columns = torch.linspace(30, 200, height)[:, None], torch.linspace(0, 40, width)
    images = rows + columns + 12 * torch.randn(8, channels, height, width)
    return images.clamp(0, 255).to(torch.uint8)


@pytest.mark.parametrize("magnitude", [0, 9, 21, 30])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_operation_of_randaugment_is_torchvisions(channels, magnitude):
    from torchvision.transforms import v2

    reference = v2.RandAugment(magnitude=magnitude)
    images = _photo(channels)
    for index, name in enumerate(OPERATIONS):
        magnitudes, signed = reference._AUGMENTATION_SPACE[name]
        values = magnitudes(31, 32, 32)
        for negative in (False, True):
            strength = 0.0 if values is None else float(values[magnitude])
            strength = -strength if signed and negative else strength
            drawn, turned = torch.full((8,), index), torch.full((8,), negative)
            ours = apply(images, drawn, turned, magnitude).int()
            theirs = reference._apply_image_or_video_transform(images, name, strength, "nearest", {}).int()
            if name in GEOMETRIC:  # a pixel half-way between two others may fall to either
                assert float((ours != theirs).float().mean()) < 0.003, name
            else:  # the library cuts fractions off that rounding errors have pushed below a whole number
                assert int((ours - theirs).abs().max()) <= (1 if name in BLENDED else 0), name


def test_images_of_a_batch_get_the_operations_they_drew_and_no_others():
    images = _photo(3)
    drawn, negative = torch.tensor([0, 3, 5, 8, 10, 11, 12, 13]), torch.tensor([False, True] * 4)
    together = apply(images, drawn, negative, 9)
    alone = [apply(images[i : i + 1], drawn[i : i + 1], negative[i : i + 1], 9) for i in range(8)]
    assert torch.equal(together, torch.cat(alone))
    assert torch.equal(together[0], images[0])  # Identity
    assert _different(together) == 8


def test_randaugment_draws_every_operation_in_both_directions():
    images = _photo(3)[:1].expand(2000, -1, -1, -1)
    once = randaugment(images, 1, 9)
    # 14 operations, nine of which have two directions: 23 results, with Identity one of them
    assert _different(once) == 23
    kept = int((once == images).flatten(1).all(dim=1).sum())
    assert 100 < kept < 190  # 2000 / 14 = 143, give or take four standard deviations
    assert _different(randaugment(images[:300], 2, 9)) > 150


def test_erasing_fills_one_rectangle_of_a_share_of_the_images_with_noise():
    images = torch.zeros(2000, 3, 16, 16, dtype=torch.uint8)
    erased = random_erase(images, 0.25)
    touched = (erased != 0).flatten(1).any(dim=1)
    assert 400 < int(touched.sum()) < 600
    shares, ratios = [], []
    for image in (erased[touched] != 0).any(dim=1):
        rows, columns = image.any(dim=1).nonzero()[:, 0], image.any(dim=0).nonzero()[:, 0]
        height, width = int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1
        assert int(image.sum()) > 0.85 * height * width  # noise is rarely 0 in all three channels
        shares.append(height * width / 256)
        ratios.append(height / width)
    assert 0.015 < min(shares) < 0.05
    assert 0.25 < max(shares) < 0.36
    assert min(ratios) < 0.5
    assert max(ratios) > 2
    noise = erased[touched][erased[touched] != 0].float()
    assert 120 < float(noise.mean()) < 136  # uniform over 0..255
    assert torch.equal(random_erase(images, 0.0), images)
    assert _different(random_erase(_copies(), 1.0)) == 64


@pytest.mark.parametrize("options", [{"crop_pad": 4}, {"affine": 0.2}])
def test_crop_and_affine_draw_for_every_image_of_their_own(options):
    assert _different(augment(_copies(), replace(OFF, **options))) > 32


def test_affine_of_strength_zero_changes_nothing():
    images = _images()
    assert torch.equal(random_affine(images, 0.0), images)


def test_affine_repeats_the_edges_so_that_a_plain_image_stays_plain():
    images = torch.full((20, 1, 8, 8), 77, dtype=torch.uint8)
    assert torch.equal(random_affine(images, 0.5), images)


def test_affine_keeps_to_its_strength():
    image = torch.zeros(1, 1, 21, 21)
    image[0, 0, 10, 10] = 255
    moved = random_affine(image.to(torch.uint8).expand(200, -1, -1, -1), 0.1)  # at most a tenth of 10.5 pixels
    rows, columns = moved[:, 0].nonzero()[:, 1:].unbind(1)
    assert int((rows - 10).abs().max()) <= 2
    assert int((columns - 10).abs().max()) <= 2


def test_the_same_seed_augments_a_batch_the_same_way():
    config = TrainConfig(affine=0.1)
    images, labels = _images(), torch.arange(32) % 10
    results = []
    for _ in range(2):
        torch.manual_seed(5)
        pixels = augment(images, config)
        results.append((pixels, *mix(pixels.float(), labels, 10, config)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def _colour_coded(batch=6, size=8):
    """Image i is filled with 10^i, so that a mixture of two shows its shares; its label is i."""
    values = 10.0 ** torch.arange(batch, dtype=torch.float64)
    return values[:, None, None, None].expand(-1, 1, size, size).clone(), torch.arange(batch)


def test_mixup_targets_are_the_shares_of_the_pixels():
    images, labels = _colour_coded()
    seen = set()
    for _ in range(20):
        mixed, targets = mix(images, labels, 6, replace(OFF, mixup_alpha=1.0))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6).double())
        # The pixel value of a mixture is its targets' mean of the values of its two images.
        torch.testing.assert_close(mixed[:, 0, 0, 0], targets @ images[:, 0, 0, 0])
        assert bool((mixed == mixed[:, :, :1, :1]).all())
        seen.add(round(float(targets.max(dim=1).values.min()), 6))
    assert len(seen) > 10


def test_cutmix_targets_are_the_shares_of_the_pixels():
    images, labels = _colour_coded()
    for _ in range(40):
        mixed, targets = mix(images, labels, 6, replace(OFF, cutmix_alpha=1.0))
        torch.testing.assert_close(targets.sum(dim=1), torch.ones(6).double())
        counted = torch.stack([(mixed == value).double().mean(dim=(1, 2, 3)) for value in images[:, 0, 0, 0]], dim=1)
        torch.testing.assert_close(targets, counted)


def test_cutmix_pastes_one_rectangle():
    images, labels = _colour_coded(batch=2)
    for _ in range(20):
        mixed, _ = mix(images, labels, 2, replace(OFF, cutmix_alpha=1.0))
        foreign = mixed[0, 0] != images[0, 0]
        rows, columns = foreign.any(dim=1), foreign.any(dim=0)
        assert bool((foreign == rows[:, None] & columns[None]).all())


def test_a_rectangle_of_the_authors_has_even_sides_where_it_is_not_cut_off():
    """Of boxes that touch no edge of the image."""
    images, labels = torch.arange(2.0)[:, None, None, None].expand(2, 1, 64, 64).clone(), torch.arange(2)
    sides = {"exact": set(), "even": set()}
    for box, found in sides.items():
        for seed in range(200):
            torch.manual_seed(seed)
            mixed, targets = mix(images, labels, 2, replace(OFF, cutmix_alpha=1.0, cutmix_box=box))
            foreign = mixed[0, 0] != images[0, 0]
            rows, columns = foreign.any(dim=1), foreign.any(dim=0)
            assert float(targets[0, 1]) == pytest.approx(float(foreign.float().mean()))
            if not (rows[0] or rows[-1]) and foreign.any():
                found.add(int(rows.sum()))
            if not (columns[0] or columns[-1]) and foreign.any():
                found.add(int(columns.sum()))
    assert any(side % 2 for side in sides["exact"])
    assert len(sides["even"]) > 5
    assert not any(side % 2 for side in sides["even"])


def test_cutmix_leaves_the_batch_it_was_given_alone():
    images, labels = _colour_coded()
    before = images.clone()
    for _ in range(10):
        mix(images, labels, 6, replace(OFF, mixup_alpha=1.0, cutmix_alpha=1.0))
    assert torch.equal(images, before)


def test_both_mixtures_get_their_turn_at_even_odds():
    images, labels = _colour_coded()
    config = replace(OFF, mixup_alpha=1.0, cutmix_alpha=1.0)
    uniform = [bool((m == m[:, :, :1, :1]).all()) for m in (mix(images, labels, 6, config)[0] for _ in range(200))]
    assert 65 < sum(uniform) < 150  # Mixup always keeps a plain image plain; CutMix rarely does


def test_a_single_image_is_mixed_with_itself():
    images, labels = _colour_coded(batch=1)
    mixed, targets = mix(images, labels, 6, replace(OFF, mixup_alpha=0.2, cutmix_alpha=1.0))
    assert torch.equal(mixed, images)
    assert targets.tolist() == [[1.0, 0, 0, 0, 0, 0]]
