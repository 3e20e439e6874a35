"""Which patches a supervision step reads and who chooses them: draws, policies, and what is read in turn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitrm.config import GLIMPSE_POLICIES, ModelConfig, check_policy
from vitrm.errors import ConfigError
from vitrm.families import equip
from vitrm.halting import Halt, predict
from vitrm.model import ViTRM
from vitrm.nets.glimpses import Looks, attention_to_places, centre_outwards, glimpse_patches, most_attended, place_keys
from vitrm.traces.answers import answers
from vitrm.traces.recording import trace
from vitrm.traces.trace import CHOSEN, Trace

GLIMPSE = ModelConfig(image_size=32, patch_size=4, glimpse_patches=16)  # L = 64: a cycle is four steps
PIXELS = np.random.default_rng(0).integers(0, 256, (1, 8, 8), np.uint8)


@pytest.fixture(params=["joint", "cross"])
def model(request, tiny):
    """L = 16, S = 4, N = 4: one cycle. A model with weights large enough for choices to differ between images."""
    config = replace(tiny, glimpse_patches=4, supervision_steps=4, recursion_steps=1, reading=request.param)
    network = ViTRM(config).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
        network.patch_embed.positions.normal_()
    return network


def images(count=6):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def read(model, pictures, policy, steps=4, **how):
    """(N, B, S) the patches that were read."""
    return torch.stack([step.patches for step in model.steps(pictures, steps, policy=policy, **how)])


@pytest.mark.parametrize("policy", GLIMPSE_POLICIES)
def test_no_policy_reads_a_patch_again_before_all_have_been_read(model, policy):
    chosen = read(model, images(), policy, steps=8)
    for cycle in (chosen[:4], chosen[4:]):
        per_image = cycle.transpose(0, 1).flatten(1)
        assert (per_image.sort(dim=1).values == torch.arange(16)).all()


def test_random_is_the_draw_of_the_seeds_and_the_default(model):
    seeds = torch.arange(6) + 5
    drawn = torch.stack([glimpse_patches(n, seeds, 6, model.config) for n in range(4)])
    assert torch.equal(read(model, images(), "random", seeds=seeds), drawn)
    default = torch.stack([step.logits for step in model.steps(images(), seeds=seeds)])
    assert torch.equal(torch.stack([s.logits for s in model.steps(images(), seeds=seeds, policy="random")]), default)


def test_fixed_goes_from_the_centre_outwards():
    config = ModelConfig(image_size=16, patch_size=4, glimpse_patches=4)
    assert sorted(centre_outwards(0, 1, config)[0].tolist()) == [5, 6, 9, 10]
    assert sorted(centre_outwards(3, 1, config)[0].tolist()) == [0, 3, 12, 15]
    assert torch.equal(centre_outwards(4, 2, config), centre_outwards(0, 2, config))


def test_the_most_attended_places_come_first_and_equal_ones_row_by_row():
    attention = torch.tensor([[0.1, 0.4, 0.1, 0.3, 0.1]])
    assert most_attended(attention, 3).tolist() == [[1, 3, 0]]


def test_attention_to_places_is_a_distribution_over_what_has_not_been_seen(model):
    memory, seen = model.initial_state(2).memory, torch.zeros(2, 16, dtype=torch.bool)
    seen[:, [0, 7, 8]] = True
    attention = attention_to_places(model, memory, place_keys(model), seen)
    torch.testing.assert_close(attention.sum(dim=1), torch.ones(2))
    assert (attention[:, [0, 7, 8]] == 0).all()
    assert (attention > 0).sum() == 2 * 13


def test_the_learned_choice_depends_on_what_was_read_and_on_no_unseen_pixel(model):
    pictures = images()
    chosen = read(model, pictures, "learned")
    assert (chosen[0] == chosen[0, 0]).all()  # nothing has been read yet
    assert not (chosen[1] == chosen[1, 0]).all()
    for n in range(1, 4):
        seen = torch.zeros(6, 16, dtype=torch.bool).scatter(1, chosen[:n].transpose(0, 1).flatten(1), True)
        hidden = (~seen).view(6, 1, 4, 1, 4, 1).expand(-1, -1, -1, 2, -1, 2).reshape(6, 1, 8, 8)
        other = torch.where(hidden, torch.randn(6, 1, 8, 8), pictures)
        assert torch.equal(read(model, other, "learned")[: n + 1], chosen[: n + 1])


@pytest.mark.parametrize("policy", ["fixed", "learned"])
def test_choices_without_a_draw_do_not_depend_on_seeds_or_batch(model, policy):
    pictures = images()
    together = read(model, pictures, policy)
    assert torch.equal(read(model, pictures, policy, seeds=9), together)
    alone = torch.cat([read(model, pictures[i : i + 1], policy) for i in range(6)], dim=1)
    assert torch.equal(alone, together)


def test_images_that_leave_early_leave_the_choices_of_the_others_alone(model, close):
    pictures, halt = images(), Halt("learned", 0.5)
    with torch.no_grad():
        model.halting.weight.normal_()
        model.halting.bias.zero_()
    together = predict(model, pictures, halt, glimpses="learned")
    alone = [predict(model, pictures[i : i + 1], halt, glimpses="learned") for i in range(6)]
    assert len(together.exit_step.unique()) > 1
    close(together.probs, torch.cat([each.probs for each in alone]))
    assert together.exit_step.tolist() == [int(each.exit_step) for each in alone]


@pytest.mark.parametrize("policy", GLIMPSE_POLICIES)
def test_looks_that_go_on_with_some_images_read_what_these_would_read_alone(model, policy):
    pictures, staying, seeds = images(), torch.tensor([5, 1]), torch.arange(6)
    memory = model.initial_state(6).memory + torch.randn(6, 3, 16)
    together = Looks(model, pictures, 2, seeds, policy=policy)
    alone = Looks(model, pictures[staying], 2, seeds[staying], policy=policy)
    together.at(0, memory)
    together.keep(staying)
    alone.at(0, memory[staying])
    for n in (0, 1):
        if n:
            together.at(1, memory[staying])
            alone.at(1, memory[staying])
        assert torch.equal(together.patches, alone.patches)
        torch.testing.assert_close(together.reading.tokens, alone.reading.tokens)


def test_the_whole_image_is_read_once_but_anew_where_the_weights_may_have_moved(tiny):
    network = ViTRM(tiny)
    for training, moving in ((False, True), (True, False), (True, True)):
        looks = Looks(network.train(training), images(2), 2, moving=moving)
        looks.at(0, network.initial_state(2).memory)
        first = looks.reading
        looks.at(1, network.initial_state(2).memory)
        assert (looks.reading is first) == (not (training and moving))
        assert looks.patches is None


def test_read_once_all_steps_give_it_the_gradient_that_they_gave_when_each_read_it(tiny, close):
    network = ViTRM(tiny).double().train()
    pictures, labels = images(2).double(), torch.tensor([0, 1])
    reads, read = [], network.read
    network.read = lambda *given: reads.append(given) or read(*given)
    found = []
    for again in (False, True):
        network.zero_grad()
        with pytest.MonkeyPatch.context() as patch:
            if again:
                patch.setattr(Looks, "at", _reading_anew)
            sum(F.cross_entropy(step.logits, labels) for step in network.steps(pictures, 3, 0, "all")).backward()
        found.append([weight.grad.clone() for weight in network.parameters() if weight.grad is not None])
    assert len(reads) == 1 + 3
    for once, each in zip(*found, strict=True):
        close(once, each)


def _reading_anew(looks, step, memory, learned=True):
    looks.reading = looks.model.read(looks.images)


def test_patches_can_be_given_for_each_step(model):
    given = torch.stack([torch.randperm(16)[:4] for _ in range(4 * 6)]).view(4, 6, 4)
    assert torch.equal(read(model, images(), "random", patches=given), given)
    steps = model.steps(images(), patches=given)
    next(steps)
    assert torch.equal(steps.send(torch.tensor([4, 2])).patches, given[1, [4, 2]])
    with pytest.raises(ValueError, match="patches of 4 steps, expected one choice for each of 5"):
        next(model.steps(images(), 5, patches=given))


@pytest.fixture
def equipped(tiny, small_run):
    config = replace(tiny, glimpse_patches=4, recursion_steps=1, supervision_steps=4)
    data = replace(small_run.data, classes=tuple("0123456789"), mean=(0.5,), std=(0.5,))
    return equip(ViTRM(config).eval(), replace(small_run, model=config, data=data))


def test_a_trace_records_who_chose_and_what(equipped, tmp_path):
    for policy in GLIMPSE_POLICIES:
        made = trace(equipped, PIXELS, seed=3, policy=policy)
        assert made.policy == policy
        pictures = equipped.transform.normalize(torch.tensor(PIXELS))[None]
        assert made.patches.tolist() == read(equipped, pictures, policy, seeds=3)[:, 0].tolist()
    made.save(tmp_path / "trace.npz")
    assert Trace.load(tmp_path / "trace.npz").policy == "learned"
    own = trace(equipped, PIXELS, patches=[[0, 1, 2, 3], [7, 6, 5, 4]])
    assert (own.policy, own.patches.tolist()) == (CHOSEN, [[0, 1, 2, 3], [7, 6, 5, 4]])


@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ([], "no patches were chosen"),
        ([[0, 1, 2, 3], [4, 5, 6]], "step 2 is to read 4, 5, 6: expected 4 different patches, 0 to 15"),
        ([[0, 0, 1, 2]], "step 1 is to read 0, 0, 1, 2"),
        ([[0, 1, 2, 16]], "expected 4 different patches, 0 to 15"),
    ],
)
def test_a_choice_that_cannot_be_read_is_said(equipped, patches, said):
    with pytest.raises(ConfigError, match=said):
        trace(equipped, PIXELS, patches=patches)


def test_an_unknown_policy_or_one_without_glimpses_is_said(tiny):
    with pytest.raises(ConfigError, match="unknown glimpse policy 'best': expected one of random, fixed, learned"):
        check_policy("best", tiny)
    with pytest.raises(ConfigError, match="nothing to choose"):
        next(ViTRM(tiny).moves(images(), policy="fixed"))


def test_answers_to_many_draws_are_those_of_each_alone(equipped, close):
    many = answers(equipped, PIXELS[None], [3, 8, 5])
    for k, seed in enumerate((3, 8, 5)):
        alone = trace(equipped, PIXELS, seed=seed)
        assert many.patches[k].tolist() == alone.patches.tolist()
        close(many.probs[k], alone.probs[:, 0, -1])
        close(many.halt_prob[k], alone.halt_prob[:, 0, -1])


def test_what_the_memory_would_read_next_is_what_the_learned_policy_reads(equipped):
    learned = answers(equipped, PIXELS[None], policy="learned")
    assert learned.attended[0, :4].tolist() == learned.patches[0].tolist()
    own = answers(equipped, PIXELS[None], patches=[[0, 1, 2, 3], [4, 5, 6, 7]])
    assert own.attended[0, 0].tolist() == learned.patches[0, 0].tolist()
    assert own.patches[0].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert not set(own.attended[0, 2].tolist()) & set(range(8))


# The draw


@pytest.mark.parametrize("size", [1, 7, 16, 33, 64])
def test_no_patch_is_seen_twice_within_a_cycle(size):
    config = replace(GLIMPSE, glimpse_patches=size)
    cycle = 64 // size
    drawn = torch.cat([glimpse_patches(step, 3, 20, config) for step in range(cycle)], dim=1)
    assert drawn.shape == (20, cycle * size)
    for row in drawn:
        assert len(row.unique()) == len(row)
        assert 0 <= row.min() <= row.max() < 64


def test_a_cycle_covers_the_image_and_the_next_has_another_order():
    drawn = torch.cat([glimpse_patches(step, 3, 1, GLIMPSE) for step in range(8)], dim=1)[0]
    first, second = drawn[:64], drawn[64:]
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(64))
    assert not torch.equal(first, second)


def test_glimpses_of_an_image_depend_on_its_own_seed_alone():
    seeds = torch.tensor([11, 42, 7])
    together = glimpse_patches(2, seeds, 3, GLIMPSE)
    for i, seed in enumerate(seeds.tolist()):
        assert torch.equal(glimpse_patches(2, seed, 1, GLIMPSE)[0], together[i])
        assert torch.equal(glimpse_patches(2, seeds[[i, 0]], 2, GLIMPSE)[0], together[i])


def test_model_output_of_an_image_does_not_depend_on_the_batch_it_is_in(tiny):
    model, pictures = ViTRM(replace(tiny, glimpse_patches=4)).double().eval(), images(4).double()
    seeds = torch.tensor([1, 2, 3, 4])
    together = model(pictures, seeds=seeds)
    alone = torch.cat([model(pictures[i : i + 1], seeds=seeds[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-12, rtol=0)


def test_glimpses_do_not_touch_the_random_generator():
    before = torch.get_rng_state()
    assert torch.equal(glimpse_patches(0, 9, 2, GLIMPSE), glimpse_patches(0, 9, 2, GLIMPSE))
    assert torch.equal(torch.get_rng_state(), before)


def test_glimpses_are_uniform_over_patches_and_differ_between_seeds():
    images = 4000
    drawn = glimpse_patches(0, torch.arange(images), images, GLIMPSE)
    counts = torch.bincount(drawn.flatten(), minlength=64).double()
    expected = images * 16 / 64
    # Each count is binomial(4000, 1/4); the sum of squared deviations is chi-square like with 63 degrees of freedom.
    chi_square = ((counts - expected) ** 2 / (expected * (1 - 16 / 64))).sum()
    assert chi_square < 115  # the 99.99 % point of chi-square(63)
    assert len({tuple(row.sort().values.tolist()) for row in drawn}) == images
