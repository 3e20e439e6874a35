"""The reports on a model, as `vitrm evaluate` prints them."""

from __future__ import annotations


def print_difficulty(report) -> None:
    halts, control = report.threshold is not None, report.control
    print(f"\nby {report.measure} (test split, n = {report.n:,}; {report.parameters:,} parameters): accuracy % by step")
    if halts:
        correlation = "–" if report.rank_correlation is None else f"{report.rank_correlation:.2f}"
        print(
            f"learned halting, its threshold {report.threshold:.3f} chosen on validation: "
            f"{100 * report.exit_accuracy:.1f} % right after {report.mean_exit:.2f} steps; "
            f"rank correlation of exit step and difficulty {correlation}"
        )
    if control:
        print(f"control: {control.name}, {control.title}, {control.parameters:,} parameters")
    names = [*report.guesses, *(["control"] if control else [])]
    steps = "".join(f"{n:6}" for n in range(1, len(report.accuracy) + 1))
    print(f"{'':4}{'n':>6}{steps}{'  exit step' if halts else ''}{''.join(f'  {name}' for name in names)}")

    def line(what, n, accuracy, mean_exit, others) -> None:
        leaving = f"{mean_exit:11.2f}" if halts else ""
        rest = "".join(f"{100 * value:{2 + len(name)}.1f}" for name, value in zip(names, others, strict=True))
        print(f"{what:4}{n:6}{''.join(f'{100 * value:6.1f}' for value in accuracy)}{leaving}{rest}")

    for level in report.levels:
        others = [*level.guesses.values(), *([level.control] if control else [])]
        line(str(level.difficulty), level.n, level.accuracy, level.mean_exit, others)
    others = [*report.guesses.values(), *([control.accuracy] if control else [])]
    line("all", report.n, report.accuracy, report.mean_exit, others)


def print_mazes(report) -> None:
    lengths, counts, accuracy = report.trials[0].by_length()
    steps = sorted({1, report.trained_steps, 2 * report.trained_steps, len(accuracy)})
    print("\nlength of the path  mazes  " + "  ".join(f"step {n:2} %" for n in steps))
    for g, length in enumerate(lengths):
        print(f"{length:18}  {counts[g]:5}  " + "  ".join(f"{100 * accuracy[n - 1, g]:9.2f}" for n in steps))
    for trial in report.trials:
        right = trial.right.mean(axis=1)
        print(f"{trial.name:>18}  {trial.lengths.size:5}  " + "  ".join(f"{100 * right[n - 1]:9.2f}" for n in steps))
    print(f"nearest gem, walls or not: {100 * report.trials[0].nearest.mean():.2f} %")
    if report.probe is not None:
        found = ", ".join(f"{100 * value:.1f}" for value in report.probe.accuracy)
        blank = ", ".join(f"{100 * value:.1f}" for value in report.probe.untrained)
        print(f"linear probe for what can be reached, balanced accuracy % by step: {found}; untrained model: {blank}")
    for reason in report.left_out:
        print(f"not tried, {reason}")


def print_glimpses(report) -> None:
    sizes = report.split_sizes
    print(
        f"\nwho chooses the {report.patches_per_step} of {report.patches} patches of a step, test split "
        f"(n = {sizes['test']:,}); thresholds of halting chosen on validation (n = {sizes['val']:,})"
    )
    for policy, scores in report.policies.items():
        right = " ".join(f"{100 * each.mean:.1f}" for each in scores.accuracy)
        spread = "" if scores.spread is None else f" (± {' '.join(f'{100 * s:.1f}' for s in scores.spread)} over draws)"
        area = "–" if scores.pooled_auroc is None else f"{scores.pooled_auroc:.3f}"
        print(f"  {policy:8} accuracy % by step {right}{spread}; mean {100 * scores.anytime.mean:.1f}")
        print(
            f"           halting: AUROC {area}, {100 * scores.halted_accuracy:.1f} % right after "
            f"{scores.halted_steps:.2f} steps; {scores.multiply_adds[-1] / 1e6:.1f} M multiply-adds for all steps"
        )
    if report.control:
        at_once = ", ".join(
            f"{count} patches {100 * each.mean:.1f}"
            for count, each in zip(report.control.patches, report.control.accuracy, strict=True)
        )
        print(f"  {report.control.name}, a {report.control.title}, given the same random patches at once: {at_once}")
    print(report.verdict)


def print_mixture(report) -> None:
    print(f"\n{report.verdict}\n{report.comparison}")
    print("weight of each recursion step, mean and standard deviation over tokens:")
    for one in report.token_weights:
        steps = "  ".join(f"{mean:.2f} ± {spread:.2f}" for mean, spread in zip(one.mean, one.spread, strict=True))
        print(f"  stage {one.stage}, {one.tokens:11}  {steps}  entropy {100 * one.entropy:.0f} % of ln R")
    print("accuracy % if the recursion ends after each step, with its own mixture of them, the last alone, the mean:")
    for r, row in enumerate(zip(report.own, report.last, report.uniform, strict=True), start=1):
        print(f"{r:4}  {'  '.join(f'{100 * value:6.2f}' for value in row)}")


def print_domain(report) -> None:
    sizes = report.split_sizes
    print(f"\nwarning about foreign images, by {' and '.join(part.score for part in report.parts)}")
    print(
        f"  false alarms on validation: {100 * report.val_false_alarms:.1f} % (n = {sizes['val']:,}; by its threshold)"
    )
    print(f"  false alarms on test: {100 * report.test_false_alarms:.1f} % (n = {sizes['test']:,})")
    print(f"  caught while choosing: {', '.join(f'{k} {100 * v:.1f} %' for k, v in report.candidates.items())}")
    for foreign in report.sets:
        print(f"  caught of {foreign.name} (n = {foreign.n:,}): {100 * foreign.detected:.1f} %")


def print_halting(report) -> None:
    chosen, everything, sizes = report.chosen, report.anytime[-1], report.split_sizes
    print(f"\n{report.verdict}")
    areas = (
        "–" if area is None else f"{area:.3f} ({low:.3f} to {high:.3f})"
        for area, (low, high) in zip(
            (report.pooled_auroc, *report.halt_auroc),
            (i or (0, 0) for i in (report.pooled_auroc_interval, *report.halt_auroc_interval)),
            strict=True,
        )
    )
    print(f"AUROC of the halting logit on test, with 95 % bootstrap interval: all steps {next(areas)}", end="")
    print("".join(f"; step {n} {area}" for n, area in enumerate(areas, start=1)))
    print(f"thresholds chosen on validation (n = {sizes['val']:,}), applied once to test (n = {sizes['test']:,}):")
    rules = {"learned halting": chosen} | {f"rule {name}": point for name, point in report.competitors.items()}
    for name, point in ({"every step": everything} | rules).items():
        print(
            f"  {name:16} {100 * point.accuracy:.2f} %, {point.mean_steps:.2f} of {len(report.anytime)} steps, "
            f"{point.mean_multiply_adds / everything.mean_multiply_adds:.2f} of the multiply-adds"
            + ("" if point is everything else f", threshold {point.threshold:.4f}")
        )
    print(f"  learned halting's exits dealt out at random: {100 * report.random_exit_accuracy:.2f} %")
    print(f"  perfect halting: {100 * report.oracle.accuracy:.2f} % after {report.oracle.mean_steps:.2f} steps")
    for out in report.exits:
        right = "" if out.accuracy is None else f", {100 * out.accuracy:.1f} % of them right"
        print(f"  left after step {out.step}: {100 * out.share:.1f} %{right}")
    print(f"  right after some step and wrong after the last: {report.made_worse_count} images")
    print(report.comparison)
