"""The model card of a run, every number from the run itself."""

from __future__ import annotations

from vitrm.config import Config
from vitrm.runs.summary import Summary


def model_card(name: str, config: Config, summary: Summary) -> str:
    """The model card in Markdown, every number from the run itself.

    `notes` in the summary are lines that somebody added since: what the numbers do not say of themselves.
    """
    test, split_sizes = summary.test, summary.split_sizes
    percent = [f"{100 * value:.1f}" for value in test.accuracy]
    if config.model.recurrent:
        auroc = ["–" if value is None else f"{value:.2f}" for value in test.halt_auroc]
        table = [
            f"| supervision step | {' | '.join(str(n) for n in range(1, len(percent) + 1))} |",
            "|" + " --- |" * (len(percent) + 1),
            f"| test accuracy, % | {' | '.join(percent)} |",
            f"| mean halting probability | {' | '.join(f'{value:.2f}' for value in test.halt_prob)} |",
            f"| AUROC of the halting logit | {' | '.join(auroc)} |",
        ]
    else:
        table = [f"Test accuracy: {percent[-1]} %."]
    trained, train, note = config.model.supervision_steps, config.train, ""
    where = f" after step {config.deepest}" if config.deepest > trained else ""
    if train.progress_steps:
        note += f" It learned from {trained} steps in a row, which began after 0 to {train.progress_steps} others."
    if train.progress_steps and train.rewind_wrong:
        note += (
            f" {100 * train.rewind_wrong:g} % of the images that those answered wrongly went back to an earlier one."
        )
    if train.keeps:
        note += (
            f" Of the images that a batch of the training had answered rightly {100 * train.keep_right:g} % stayed for "
            f"the next one, and of the others {100 * train.keep_wrong:g} %, and went on from where they were."
        )
    if not note and len(percent) != trained:
        note = f" It was trained on {trained}; the steps after that go beyond its training."
    images = min(config.train.epoch_images, split_sizes["train"])
    drawn = f", of {images:,} images each" if images else ""
    lines = [
        f"# {name}",
        "",
        f"A {config.model.title} with {summary.parameters:,} parameters, trained on {config.data.title}.",
        "",
        *table,
        "",
        f"Policy: {test.policy}.{note}",
        f"Chance is {100 / config.model.num_classes:.1f} %.",
        "",
        f"- **Data:** {config.data.title}; {split_sizes['train']:,} training, {split_sizes['val']:,} validation and "
        f"{split_sizes['test']:,} test images. The weights were chosen on validation "
        f"({100 * summary.best_val_accuracy:.1f} %{where}, epoch {summary.best_epoch} of {summary.epochs}{drawn}); "
        "test was used once, for this table.",
        f"- **Command:** `{summary.command}`; it ended with: {summary.reason}",
        f"- **Seed:** {config.train.seed} (split seed {config.data.split_seed}, glimpse seed {test.seed})",
        f"- **Hardware and time:** {summary.hardware}; {summary.seconds / 60:.1f} minutes of training",
        f"- **Software:** Python {summary.python}, torch {summary.torch}, commit {summary.commit}",
        *(f"- **Note:** {each}" for each in summary.notes),
        "",
    ]
    return "\n".join(lines)
