"""The paper's comparisons: their size, and that everything around a model takes them as it takes ViTRM."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from vitrm.cli import main as cli
from vitrm.config import PRESETS, ResNetConfig, SRViTConfig, ViTConfig, as_command
from vitrm.errors import ConfigError
from vitrm.families import make_model
from vitrm.halting import predict
from vitrm.judge.evaluation import ONE_ANSWER, evaluate
from vitrm.judge.report import measured
from vitrm.model import ViTRM
from vitrm.nets.base import OneStep
from vitrm.nets.classifiers import ResNet, ViT
from vitrm.runs.checkpoints import build, create_run
from vitrm.runs.export import export
from vitrm.runs.folder import Run
from vitrm.traces.recording import trace
from vitrm.training.events import EpochEnd, Progress, Updated, event_of
from vitrm.training.trainer import Trainer

SMALL_VIT = ViTConfig(image_size=8, channels=1, patch_size=2, dim=16, depth=2, num_heads=2, mlp_dim=24, dropout=0.0)
SMALL_RESNET = ResNetConfig(image_size=8, channels=1)
SETTINGS = {
    "vit-small": (
        *("--model.dim", "16", "--model.depth", "2", "--model.num_heads", "2", "--model.mlp_dim", "24"),
        *("--model.patch_size", "2"),
    ),
    "resnet18": ("--train.batch_size", "600"),
}


def _parameters(config):
    with torch.device("meta"):
        return sum(p.numel() for p in make_model(config).parameters())


@pytest.mark.parametrize(
    ("name", "cifar10", "cifar100"),
    [  # millions, from the paper's Tables 1 and 2
        ("paper", 3.6, 3.7),
        ("vit-small", 16.9, 16.9),
        ("vit-base", 85.1, 85.2),
        ("vit-large", 302.4, 302.5),
        ("resnet18", 11.2, 11.2),
        ("resnet34", 21.3, 21.3),
        ("resnet50", 23.5, 23.7),
    ],
)
def test_every_model_of_the_paper_has_its_published_number_of_parameters(name, cifar10, cifar100):
    model = PRESETS[name].model
    assert round(_parameters(model) / 1e6, 1) == cifar10
    assert round(_parameters(replace(model, num_classes=100)) / 1e6, 1) == cifar100


@pytest.mark.parametrize("name", ["vit-same-size", "vit-same-block"])
def test_the_controls_have_as_many_parameters_as_vitrm_and_its_recipe(name):
    assert _parameters(PRESETS[name].model) == pytest.approx(_parameters(PRESETS["paper"].model), rel=0.011)
    assert PRESETS[name].train == PRESETS["paper"].train


def test_the_comparisons_are_trained_as_the_paper_says():
    for name in ("vit-small", "vit-base", "vit-large", "resnet18", "resnet34", "resnet50"):
        train = PRESETS[name].train
        assert (train.epochs, train.warmup_epochs, train.ema_decay) == (300, 10, 0.0)
        assert replace(train, epochs=1000, warmup_epochs=30, ema_decay=0.999) == PRESETS["paper"].train


def test_the_same_block_is_vitrm_without_its_recursion():
    vit, vitrm = make_model(PRESETS["vit-same-block"].model), ViTRM(PRESETS["paper"].model)
    ours, theirs = vit.block.state_dict(), vitrm.block.state_dict()
    assert {k: v.shape for k, v in theirs.items()} == {k: v.shape for k, v in ours.items() if not k.startswith("norm")}


def test_the_control_of_glimpses_answers_from_the_patches_it_is_given_and_trains_on_multiples_of_them(monkeypatch):
    torch.manual_seed(0)
    vit = ViT(replace(SMALL_VIT, patch_multiple=6)).eval()
    images, everything = torch.randn(3, 1, 8, 8), torch.stack([torch.randperm(16) for _ in range(3)])
    whole = vit.features(images)
    torch.testing.assert_close(vit.features(images, everything), whole, rtol=1e-4, atol=1e-5)
    given, hidden = everything[:, :6], images.clone()
    for image, patches in zip(hidden, everything[:, 6:], strict=True):
        for row, column in ((2 * int(p // 4), 2 * int(p % 4)) for p in patches):
            image[:, row : row + 2, column : column + 2] = 9.0  # what it is not given it cannot know
    assert torch.equal(vit.features(hidden, given), vit.features(images, given))
    seen, embed = set(), vit.patch_embed.forward
    monkeypatch.setattr(vit.patch_embed, "forward", lambda pixels, p: seen.add(p.shape[1]) or embed(pixels, p))
    vit.train()
    for _ in range(30):
        vit(images)
    assert seen == {6, 12}  # 18 would be more than there are


def test_an_sr_vit_is_no_control_of_glimpses():
    with pytest.raises(ConfigError, match="patch_multiple=4: an SR-ViT reads all"):
        SRViTConfig(patch_multiple=4)
    with pytest.raises(ConfigError, match="patch_multiple=17: expected 1 to 16"):
        replace(SMALL_VIT, patch_multiple=17)
    with pytest.raises(ConfigError, match="patch_multiple needs positions='absolute'"):
        replace(SMALL_VIT, patch_multiple=4, positions="relative")


def test_a_plain_transformer_is_its_layers_one_after_the_other():
    vit = ViT(SMALL_VIT).double().eval()
    images = torch.randn(3, 1, 8, 8, dtype=torch.float64)
    tokens = torch.cat([vit.class_token.expand(3, -1, -1), vit.patch_embed(images)], dim=1)
    for layer in vit.block.layers:  # every output of every layer, then thrown away but for the first
        everything = slice(None)
        tokens, _ = layer(tokens, layer.project(tokens, everything), everything, record=False)
    torch.testing.assert_close(vit(images), vit.classifier(vit.block.norm(tokens)[:, 0]))


@pytest.mark.parametrize("config", [SMALL_VIT, replace(SMALL_RESNET, stem="cifar")], ids=["vit", "resnet"])
def test_every_parameter_gets_a_gradient(config):
    model = make_model(config)
    model(torch.randn(4, 1, 8, 8)).square().sum().backward()
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in model.parameters())


def test_the_residual_network_is_torchvisions(close):
    import torchvision.models

    ours, theirs = ResNet(ResNetConfig()).eval(), torchvision.models.resnet18(num_classes=10).eval()
    theirs.load_state_dict(
        {name.removeprefix("network.").replace("classifier", "fc"): v for name, v in ours.state_dict().items()}
    )
    images = torch.randn(2, 3, 32, 32)
    close(ours(images), theirs(images))


@pytest.mark.parametrize("config", [SMALL_VIT, SMALL_RESNET], ids=["vit", "resnet"])
def test_one_step_has_logits_and_neither_halting_nor_memory(config):
    model = make_model(config).eval()
    images = torch.randn(2, 1, 8, 8)
    (step,) = model.steps(images, 1, seeds=torch.zeros(2), backprop="all")
    assert (step.halt_logit, step.memory, step.patches) == (None, None, None)
    assert torch.equal(step.logits, model(images))
    assert torch.equal(step.logits, model.classifier(step.answer[:, 0]))
    with pytest.raises(ConfigError, match=r"supervision_steps=3: a .* answers once, expected 1"):
        list(model.steps(images, 3))
    with pytest.raises(ValueError, match=r"images have shape \(2, 3, 8, 8\), expected \(batch, 1, 8, 8\)"):
        model(torch.randn(2, 3, 8, 8))


@pytest.mark.parametrize("config", [SMALL_VIT, SMALL_RESNET], ids=["vit", "resnet"])
def test_the_trainer_trains_them_and_reports_no_halting(config, small_run, few_digits):
    trainer = Trainer(
        replace(small_run, model=config, train=replace(small_run.train, epochs=1, batch_size=40)), few_digits
    )
    events = list(trainer.events())
    progress, end = (next(e for e in events if isinstance(e, kind)) for kind in (Progress, EpochEnd))
    assert (len(progress.loss), progress.halt_loss, progress.halt_prob, progress.memory_norm) == (1, (), (), None)
    assert (len(end.val_accuracy), end.val_halt_prob, end.val_halt_auroc) == (1, (), ())
    assert trainer.updates == 2
    expected = evaluate(trainer.averaged, few_digits.preprocess, few_digits.val)
    assert events[-2].val_loss == expected.loss
    assert expected.policy == ONE_ANSWER


def test_a_plain_transformer_learns_digits(small_run, digits):
    config = replace(small_run, model=replace(SMALL_VIT, dim=32), train=replace(
        small_run.train, epochs=3, batch_size=32, lr=5e-3, mixup_alpha=0.0, cutmix_alpha=0.0, crop_pad=0, flip=False,
        ema_decay=0.9))  # fmt: skip
    ends = [event for event in Trainer(config, digits).events() if isinstance(event, EpochEnd)]
    assert ends[-1].val_accuracy[-1] > 0.6


def test_the_averaged_network_has_the_running_statistics_of_the_trained_one(small_run, few_digits):
    trainer = Trainer(replace(small_run, model=SMALL_RESNET), few_digits)
    list(trainer.train_batch(few_digits.train.images[:16], few_digits.train.labels[:16]))
    ours, theirs = dict(trainer.averaged.named_buffers()), dict(trainer.model.named_buffers())
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert float(ours["network.bn1.running_mean"].abs().max()) > 0


def test_a_last_batch_of_one_image_is_refused_where_it_cannot_be_normalised(small_run, few_digits):
    config = replace(small_run, model=SMALL_RESNET, train=replace(small_run.train, batch_size=23))  # 70 = 3 x 23 + 1
    with pytest.raises(ConfigError, match="70 training images make a batch of a single one at batch_size=23"):
        Trainer(config, few_digits)


@pytest.mark.parametrize("ask", [
    lambda model, split: trace(model, split.images[0]),
    lambda model, split: predict(model, model.transform.normalize(split.images)),
    lambda model, split: measured("halting", model, SimpleNamespace(val=split, test=split)),
], ids=["trace", "early exit", "halting"])  # fmt: skip
def test_what_needs_a_recursion_says_so(ask, few_digits):
    model = build("vit-small", image_size=8, channels=1, patch_size=2, dim=16, num_heads=2)
    with pytest.raises(ConfigError, match=r"a plain ViT .* answers once, without them"):
        ask(model, few_digits.test)


@pytest.mark.parametrize("name", ["vit-small", pytest.param("resnet18", marks=pytest.mark.slow)])
def test_from_the_command_line_to_a_checkpoint_and_back(name, tmp_path, capsys):
    words = ["--data", "digits", "--model.image_size", "8", "--model.channels", "1", "--train.randaugment_ops", "0"]
    words += ["--train.epochs", "1", "--device", "cpu", "--threads", "1", "--runs", str(tmp_path), "--name", "run"]
    assert cli.main(["train", name, *words, *SETTINGS[name]]) == 0
    run = Run(tmp_path / "run")
    card, title = (run.path / "README.md").read_text(encoding="utf-8"), run.config().model.title
    assert f"A {title} with {run.summary().parameters:,} parameters" in card
    assert f"Test accuracy: {100 * run.summary().test.accuracy[0]:.1f} %." in card
    assert f"Policy: {ONE_ANSWER}." in card
    assert "halting probability" not in card
    exported = export(run, tmp_path / "exported", half=True)
    model = exported.load_model()
    assert isinstance(model, OneStep)
    for key, tensor in run.load_model().state_dict().items():
        assert tensor.dtype == model.state_dict()[key].dtype
        torch.testing.assert_close(model.state_dict()[key], tensor, rtol=0.01, atol=0.01)
    capsys.readouterr()
    assert cli.main(["evaluate", str(run.path), "--device", "cpu", "--threads", "1"]) == 0
    out = capsys.readouterr().out
    assert ONE_ANSWER in out
    assert f"accuracy: {100 * run.summary().test.accuracy[0]:.2f} %" in out
    assert cli.main(["evaluate", str(run.path), "--supervision-steps", "2", "--device", "cpu"]) == 1
    assert "answers once" in capsys.readouterr().err


def test_the_live_figures_of_a_model_without_recursion_leave_halting_and_memory_out(small_run, few_digits, tmp_path):
    from app.training import figures as training_figures
    from app.training.history import History

    trainer = Trainer(replace(small_run, model=SMALL_VIT), few_digits)
    run = create_run(tmp_path / "run", trainer.config, "vitrm train", "cpu")
    trainer.hold()
    trainer.step()
    for event in trainer.events():
        run.record(event)
        if isinstance(event, Updated):
            trainer.go()
    run.release()
    config, history = run.config(), History(run)
    history.read()
    charts = {chart.name: chart for chart in training_figures.live_charts(history, config)}
    assert "halting" not in charts
    assert [line.name for line in charts["norms"].lines] == ["answer y"]
    (row, *_) = training_figures.epoch_table(history)
    assert not any("halting" in name for name in row)
    update = next(event for event in map(event_of, run.metrics()) if isinstance(event, Updated))
    assert update.halt_loss is None
    _, images = training_figures.update_tables(update, config.data.classes)
    assert set(images[0]) >= {"true class", "change, points"}
    assert not any("halting" in name for name in images[0])
    others = training_figures.differing_settings({"vit": config, "paper": PRESETS["paper"]})
    assert {"setting": "model.memory_steps", "vit": "–", "paper": "3"} in others
    assert PRESETS[as_command(config)[0]].model.family == "vit"
