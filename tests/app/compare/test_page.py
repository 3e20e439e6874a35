"""What may be compared with what, what is said of it, and the page on which it is done."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import cache, paper
from app.compare import comparison
from app.compare import figures as compare_figures
from app.compare.comparison import Answer, Comparison, Entry
from app.compare.unrolled import Drawn, drawing
from vitrm.bench import Latency
from vitrm.config import Config, DataConfig, ModelConfig, ResNetConfig, SRViTConfig, ViTConfig, preset
from vitrm.nets.cost import multiply_adds, vit_parameters
from vitrm.runs.folder import find_run
from vitrm.sweep.run import Result

PAGE = str(Path(__file__).resolve().parents[3] / "pages" / "compare.py")
RECURSIVE = ModelConfig(dim=32, num_heads=2, mlp_dim=32, depth=2, memory_steps=1, supervision_steps=3)
PLAIN = ViTConfig(dim=32, num_heads=2, mlp_dim=32, depth=2)


def entry(name, config, accuracy, **changes):
    usual = {"parameters": 1000, "spread": None, "seeds": (0,), "accuracy_by_step": (), "training": "1 epoch"}
    return Entry(name=name, config=config, accuracy=accuracy, **usual | changes)


def compared(*entries, **changes):
    usual = {"key": "k", "title": "t", "data": "CIFAR-10 (JPEG)", "classes": (), "num_classes": 10}
    usual |= {"test_images": 10_000, "scale": "4 minutes each", "is_grid": True}
    return Comparison(entries=entries, **usual | changes)


def model_facts(source="digits", classes=("a", "b"), n=100, **changes):
    config = Config(
        model=replace(RECURSIVE, num_classes=len(classes)), data=DataConfig(source=source, classes=classes, **changes)
    )
    summary = {
        "test": {"n": n, "accuracy": [0.5, 0.6, 0.7, 0.65]},
        **{"parameters": 1234, "seed": 3, "epochs": 2, "seconds": 90.0, "hardware": "CPU, 1 threads"},
        "split_sizes": {"train": 800, "val": 100, "test": n},
    }
    return config, summary


def test_only_models_of_the_same_images_and_classes_are_laid_side_by_side():
    facts = {
        "one": model_facts(name="Set: said at length"),
        "two": model_facts(name="Set"),
        "other classes": model_facts(classes=("a", "c"), name="Set"),
        "fewer images": model_facts(n=50, name="Set"),
        "elsewhere": model_facts(source="cifar10"),
    }
    found = comparison.of_models(facts)
    assert [[each.name for each in group.entries] for group in found] == [
        ["one", "two"],
        ["other classes"],
        ["fewer images"],
        ["elsewhere"],
    ]
    assert found[0].data == "Set"
    assert len({group.key for group in found}) == len({group.title for group in found}) == 4
    said = comparison.others(found, found[0])
    assert "other classes (Set: other classes or test images)" in said
    assert "elsewhere (CIFAR-10: other data)" in said


def test_an_entry_has_the_accuracy_after_its_trained_steps_and_what_every_step_has_taken():
    (found,) = comparison.of_models({"one": model_facts()})
    one = found.entries[0]
    assert one.accuracy == pytest.approx(70)
    assert one.training == "2 epochs, 2 minutes, CPU, 1 thread"
    steps = one.steps()
    assert [step.layers for step in steps] == [4, 8, 12, 16]  # (M + 1) * depth = 4 a step
    assert [step.beyond for step in steps] == [False, False, False, True]
    assert [step.multiply_adds for step in steps] == [multiply_adds(one.config, n) for n in (1, 2, 3, 4)]


def test_a_model_of_which_only_the_end_is_known_is_one_point_there():
    (step,) = entry("cell", RECURSIVE, 42.0).steps()
    assert (step.number, step.accuracy, step.layers) == (3, 42.0, 12)


def test_tables_of_one_budget_are_one_comparison_and_others_are_not():
    def result(minutes, **changes):
        usual = {"row": "r", "column": "", "accuracy": 50.0, "spread": 1.0, "seeds": (0, 1), "accuracy_by_step": ()}
        usual |= {
            "parameters": 1,
            "data": "D",
            "test_images": 10,
            "epochs": "2 2",
            "epoch_images": 1000,
            "hardware": "H",
            "commit": "c",
        }
        return Result(minutes=minutes, model=PLAIN, **usual | changes)

    found = comparison.of_tables({"a": [result(4.0)], "b": [result(4.0, column="R = 2")], "c": [result(None)]})
    assert [[each.name for each in group.entries] for group in found] == [["r", "r, R = 2"], ["r"]]
    assert [group.scale for group in found] == ["4 minutes each, H", "1,000 images an epoch, H"]
    assert [group.trainings for group in found] == [4, 2]


def test_just_making_it_deeper_is_counted_without_being_trained():
    deep = comparison.as_deep(RECURSIVE)
    assert (deep.depth, deep.dim, deep.num_heads) == (3 * 2 * 2, 32, 2)
    words = comparison.deeper_words(entry("r", RECURSIVE, 50.0, parameters=vit_parameters(deep) // 4))
    assert "12 layers of its own" in words
    assert "4.0 times as many" in words
    assert comparison.as_deep(PLAIN) is None
    assert comparison.as_deep(ResNetConfig()) is None
    assert comparison.as_deep(replace(RECURSIVE, supervision_steps=1000)) is None  # more than a ViT may have


@pytest.mark.parametrize(
    ("recursive", "said"),
    [
        (55.0, "With recursion r is 5.0 points ahead of p, the best without. One seed"),
        (45.0, "Recursion is behind here: p, without any, leads r by 5.0 points."),
        (50.5, "there is no difference beyond chance (+0.5 points)"),  # two standard errors are 1.4 points at 10,000
    ],
)
def test_the_verdict_follows_the_numbers_and_their_uncertainty(recursive, said):
    assert said in comparison.verdict(compared(entry("r", RECURSIVE, recursive), entry("p", PLAIN, 50.0)))


def test_the_soft_mixture_is_judged_against_the_last_step_alone_at_each_depth():
    def cell(depth, mixture, accuracy):
        config = SRViTConfig(image_size=32, patch_size=4, dim=32, num_heads=2, depth=2, mlp_dim=32)
        config = replace(config, recursion_depth=depth, mixture=mixture)
        name = f"sr-vit-tiny, R = {depth}, {'soft mixture' if mixture == 'token' else 'last step'}"
        return entry(name, config, accuracy, spread=0.3, seeds=(0, 1, 2))

    cells = [
        cell(1, "last", 60.0),
        cell(2, "token", 60.1),
        cell(2, "last", 60.0),
        cell(4, "last", 63.0),
        cell(4, "token", 60.0),
    ]
    shown = compared(*cells, entry("tiny, last step", RECURSIVE, 50.0))
    assert comparison.mixture_verdict(shown) == (
        "The soft mixture against the last step alone, R = 2: +0.1 points, no difference beyond chance (3 seeds); "
        "R = 4: -3.0 points, behind (3 seeds)."
    )
    assert comparison.mixture_verdict(compared(cells[0])) == ""
    assert comparison.labels(shown) == [
        *("R = 1, last step", "R = 2, soft mixture", "R = 2, last step", "R = 4, last step", "R = 4, soft mixture"),
        "tiny",
    ]


def test_the_recursion_steps_of_an_sr_vit_are_its_steps():
    run = find_run("sr-vit-digits")
    facts = {"sr": (run.config(), run.summary())}
    (found,) = comparison.of_models(facts, {"sr": run.mixture()})
    steps = found.entries[0].steps()
    assert [step.layers for step in steps] == [3, 6, 9, 12]
    assert steps[-1].accuracy == pytest.approx(found.entries[0].accuracy, abs=1e-4)
    assert steps[-1].multiply_adds == multiply_adds(run.config().model)


def test_a_difference_within_the_spread_of_the_seeds_is_none():
    wide = {"spread": 4.0, "seeds": (0, 1, 2, 3)}  # standard error 2: two of the difference are 5.7 points
    said = comparison.verdict(compared(entry("r", RECURSIVE, 55.0, **wide), entry("p", PLAIN, 50.0, **wide)))
    assert "no difference beyond chance" in said
    assert "55.0 ± 4.0 %" in said


def test_models_that_were_trained_differently_are_not_said_to_show_anything_about_recursion():
    apart = compared(
        entry("r", RECURSIVE, 70.0, recipe="hours"), entry("p", PLAIN, 40.0, recipe="minutes"), is_grid=False
    )
    assert "were trained differently" in comparison.verdict(apart)
    assert "30.0 points" not in comparison.verdict(apart)
    alike = entry("r, briefly", RECURSIVE, 35.0, recipe="minutes")
    said = comparison.verdict(replace(apart, entries=(*apart.entries, alike)))
    assert "trained alike: recursion is behind here: p, without any, leads r, briefly by 5.0 points" in said


def test_one_kind_of_model_alone_says_nothing_about_recursion():
    assert "cannot be seen" in comparison.verdict(compared(entry("r", RECURSIVE, 55.0), entry("s", RECURSIVE, 50.0)))
    assert "nothing to compare" in comparison.verdict(compared(entry("r", RECURSIVE, 55.0)))


def test_measured_latency_stands_in_the_table_and_what_was_too_large_is_said():
    shown = compared(entry("p", PLAIN, 50.0), entry("huge", ResNetConfig(), 40.0, parameters=200_000_000))
    assert [comparison.is_measurable(each) for each in shown.entries] == [True, False]
    times = [Latency(1, 2.0, 1.5, 3.0, 15, 0.5), Latency(32, 20.0, 15.0, 30.0, 9, 16.0)]
    speeds = comparison.Speeds({PLAIN: times}, "Some CPU, 1 threads", 1)
    first, second = comparison.rows(shown, speeds)
    assert (first["ms for 1"], first["ms for 32, quartiles"]) == (2.0, "15 to 30")
    assert first["peak beyond weights for 32, MB"] == 16.0
    assert second["ms for 1"] is None
    assert first["weights, MB"] == pytest.approx(0.004)
    words = comparison.speed_words(shown, speeds)
    for part in ("Some CPU, 1 thread, fp32", "median of 9 to 15 runs", "Too large to be measured here: huge"):
        assert part in words


def test_every_entry_is_a_labelled_point_of_its_familys_shape():
    shown = compared(entry("r", RECURSIVE, 55.0), entry("p", PLAIN, 50.0), entry("n", ResNetConfig(), 40.0))
    figure = compare_figures.accuracy_against(shown, compare_figures.AXES["layers"])
    points = {trace.name: (trace.x, trace.y, trace.text, trace.marker.symbol) for trace in figure.data}
    assert points == {
        "ViTRM": ((12,), (55.0,), ("r",), "circle"),
        "plain ViT": ((2,), (50.0,), ("p",), "square"),
        "ResNet": ((18,), (40.0,), ("n",), "triangle-up"),
    }
    assert figure.layout.xaxis.type == "log"
    assert "r (ViTRM): 55.0 % at 12" in compare_figures.against_words(shown, compare_figures.AXES["layers"])


def test_names_of_points_that_stand_close_do_not_cover_each_other():
    places = compare_figures.label_places([(100, 50.0), (100, 49.0), (1000, 20.0)], ["one", "two", "far"])
    assert places[0] != places[1]
    assert compare_figures.label_places([], []) == []


def test_the_papers_tables_are_those_of_the_paper():
    assert [len(table) for table in (paper.TABLE_1, paper.TABLE_2)] == [7, 7]
    best = {name: max(row.accuracy[1] for row in table) for name, table in paper.TABLES.items()}
    assert best == {"CIFAR-10": 93.9, "CIFAR-100": 75.2}
    for table in paper.TABLES.values():
        families = {row.model: row.family for row in table}
        assert families["ViTRM"] == ModelConfig.family_title
        assert families["ViT-Large"] == ViTConfig.family_title
        assert families["ResNet-50"] == ResNetConfig.family_title
        assert [row.model for row in table if None in row.accuracy] == ["ViT-Large"]
    assert dict(paper.BY_MEMORY)["3"] == dict(paper.BY_SUPERVISION)["1"] == paper.TABLE_1[0].accuracy[1]


@pytest.mark.parametrize("name", ["paper", "vit-small", "vit-base", "vit-large", "resnet18", "resnet34", "resnet50"])
def test_the_papers_parameters_are_those_of_our_presets(name):
    titles = {"paper": "ViTRM", "vit-small": "ViT-Small", "vit-base": "ViT-Base", "vit-large": "ViT-Large"}
    row = next(row for row in paper.TABLE_1 if row.model in (titles.get(name), name.replace("resnet", "ResNet-")))
    model = preset(name).model
    assert row.family == model.family_title
    if isinstance(model, ViTConfig):
        assert vit_parameters(model) / 1e6 == pytest.approx(row.millions, abs=0.06)


def test_nothing_of_ours_is_drawn_into_a_figure_of_the_paper():
    for figure in (
        compare_figures.paper_by_batch("CIFAR-10"),
        compare_figures.paper_by_parameters("CIFAR-100", 1024),
        compare_figures.paper_ablation(),
    ):
        assert all(trace.marker.symbol.endswith("-open") for trace in figure.data)
    with_large = compare_figures.paper_by_parameters("CIFAR-100", 512)
    without = compare_figures.paper_by_parameters("CIFAR-100", 1024)  # where it ran out of memory
    assert sum(len(trace.x) for trace in with_large.data) == 7
    assert sum(len(trace.x) for trace in without.data) == 6
    assert "ViT-Large out of memory" in compare_figures.paper_words("CIFAR-100", 1024)


def test_weights_that_recur_are_drawn_in_one_colour_and_others_in_their_own():
    html = drawing(
        [Drawn("<b>r", RECURSIVE, 10, "#0072b2"), Drawn("p", replace(PLAIN, depth=5), 20, "#009e73")], dark=False
    )
    assert "<b>r" not in html
    assert html.count("color-mix(in oklab, #0072b2") == 2 + 12  # stored once, applied twelve times
    assert html.count("oklch(") == 5 + 5
    assert len({part.split(")")[0] for part in html.split("oklch(")[1:]}) == 5
    assert "2 layers with weights of their own, applied 12 times in all" in html
    long = drawing([Drawn("deep", replace(RECURSIVE, supervision_steps=1000, memory_steps=1000), 1, "#000")], dark=True)
    assert "992 more supervision steps" in long
    assert len(long) < 100_000


def test_the_same_supervision_step_is_found_in_another_trace():
    six, one = (find_run(name).gallery()["test-9"] for name in ("digits-glimpse", "digits"))
    assert comparison.same_place(None, six, one) is None
    assert comparison.same_place(8, six, six) == 8
    assert comparison.same_place(8, six, one) == 3  # the end of its only step: M = 3, so moves 0 to 3
    assert comparison.same_place(3, one, six) == 2  # the end of the first of its steps: M = 2


def test_what_two_models_say_is_compared_by_class_name():
    trace = find_run("digits-glimpse").gallery()["test-9"]
    answers = [trace.class_names[k] for k in trace.probs[:, -1, -1].argmax(axis=-1)]
    label = trace.class_names[trace.label]
    alone = Answer(("none", answers[0]), trace.pixels, 1, np.array([0.1, 0.9]))
    agree = [n for n, said in enumerate(answers, start=1) if said == answers[0]]
    said = comparison.said(trace, alone)
    assert f"the true class is {label}" in said
    assert f"{', '.join(map(str, agree))} of {len(answers)}" in said
    assert comparison.answer_rows(alone, 1) == [{"class": f"{answers[0]} (true class)", "probability": 0.9}]


def test_what_is_not_alike_about_two_models_is_said():
    one, other = model_facts()[0], model_facts(classes=("a", "c", "d"))[0]
    grey = replace(other, model=replace(other.model, image_size=8, channels=1), data=replace(other.data))
    size, classes = comparison.differences(one, grey)
    assert "32 × 32 pixels in colour, the second 8 × 8 in grey" in size
    assert "(2 and 3; not in both: b, c, d)" in classes
    assert comparison.differences(one, one) == []


# The page


def open_page(**query):
    app = AppTest.from_file(PAGE, default_timeout=60)
    for key, value in query.items():
        app.query_params[key] = value
    return app.run()


def players(app):
    return [json.loads(block.proto.json) for block in app.get("bidi_component") if "probs" in block.proto.json]


def test_the_page_is_filled_on_arrival_with_a_grid_the_paper_and_two_players():
    app = open_page()
    assert not app.exception
    assert not app.warning
    charts = app.get("plotly_chart")
    assert len(charts) == 6
    assert app.selectbox[0].value == cache.comparisons()[0][0].key
    captions = " ".join(caption.value for caption in app.caption)
    for part in ("test split, n = 10,000; chance 10 %", "Reported by the paper, not measured here"):
        assert part in captions
    first, second = players(app)
    assert first["together"] == second["together"] == "compare"
    assert first["pixels"] == second["pixels"]
    assert first["address"]["left"] is None  # defaults stay out of the link
    assert second["address"] is None


def test_a_link_carries_every_choice():
    found, _ = cache.comparisons()
    digits = next(each for each in found if each.data.startswith("handwritten digits"))
    query = {
        "compared": digits.key,
        "along": "layers",
        "paper": "ablation",
        "left": "digits",
        "right": "digits-glimpse",
    }
    app = open_page(**query, image="test-12", position="3")
    assert not app.exception
    assert not app.warning
    assert app.selectbox[0].value == digits.key
    first, second = players(app)
    assert first["shape"] == [1, 1, 3]
    assert (first["start"], second["start"]) == (3, 2)  # the same supervision step
    assert {name: first["address"][name] for name in query} == query
    assert any("M = 1" in chart.proto.spec and "the exact" not in chart.proto.spec for chart in app.get("plotly_chart"))


def test_what_a_link_names_and_is_not_here_is_said():
    app = open_page(compared="no-such", along="sideways", paper_batch="100", left="nobody", right="cifar10-tiny")
    assert not app.exception
    said = " ".join(warning.value for warning in app.warning)
    for part in ("“no-such”, which is not here", "along=sideways", "paper_batch=100", "no checkpoint “nobody” here",
                 "“cifar10-tiny” was not trained on handwritten digits"):  # fmt: skip
        assert part in said
    assert len(players(app)) == 2


def test_a_model_without_recursion_shows_its_one_answer(monkeypatch):
    config, summary = find_run("digits").config(), find_run("digits").summary()
    vit = replace(config, model=ViTConfig(image_size=8, channels=1, patch_size=2, dim=16, num_heads=2, mlp_dim=16))
    facts, gallery = cache.facts, cache.gallery
    probs = np.eye(10)[7] * 0.6 + 0.04
    shown = Answer(config.data.classes, np.zeros((1, 8, 8), np.uint8), 3, probs)
    monkeypatch.setattr(cache, "checkpoints", lambda: ["digits-glimpse", "a-vit"])
    monkeypatch.setattr(cache, "facts", lambda name: (vit, summary) if name == "a-vit" else facts(name))
    monkeypatch.setattr(cache, "gallery", lambda name: {} if name == "a-vit" else gallery(name))
    monkeypatch.setattr(cache, "answer", lambda name, image: shown)
    monkeypatch.setattr(
        cache, "comparisons", lambda: (comparison.of_models({"a-vit": (vit, summary)}), ["x is broken"])
    )
    app = open_page(right="a-vit")
    assert not app.exception
    assert "Left out: x is broken" in app.warning[0].value
    assert any("one answer, after 8 layers" in info.value for info in app.info)
    assert len(players(app)) == 1
    rows = app.dataframe[-1].value
    assert rows["class"][0] == "7"
    assert "3 (true class)" in list(rows["class"])


def test_a_model_that_is_alone_with_its_images_is_said(monkeypatch):
    monkeypatch.setattr(cache, "checkpoints", lambda: ["digits-glimpse", "cifar10-tiny"])
    app = open_page()
    assert not app.exception
    assert "is the only finished model of handwritten digits" in app.info[-1].value


def test_latency_is_measured_once_for_everybody(monkeypatch):
    asked = []

    def latencies(models, batch_sizes, progress):
        asked.append(models)
        progress(0.5)
        return [[Latency(batch, 2.5, 2.0, 3.0, 15, 0.1) for batch in batch_sizes] for _ in models]

    monkeypatch.setattr("vitrm.bench.latencies", latencies)
    twice = [entry("one", PLAIN, 50.0), entry("same shape", PLAIN, 51.0), entry("r", RECURSIVE, 52.0)]
    shown = compared(*twice, key="measured-once")
    monkeypatch.setattr(cache, "comparisons", lambda: ([shown], []))
    app = open_page()
    app.button(key="measure_speeds").click().run()
    job = cache.speeds(shown)
    assert job.wait(60)
    assert job.error is None
    other = open_page()
    assert not other.exception
    assert "measure_speeds" not in [button.key for button in other.button]
    assert asked == [[PLAIN, RECURSIVE]]
    assert list(other.dataframe[1].value["ms for 1"]) == [2.5, 2.5, 2.5]
    assert any("1 thread, fp32" in caption.value for caption in other.caption)
    assert len(other.get("plotly_chart")) == 7
