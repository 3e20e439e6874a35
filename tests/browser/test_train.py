"""A real training, that of lesson 3, and a class, in a folder of their own: both outlive the server."""

import contextlib
import os
import re
import signal

import pytest
from playwright.sync_api import expect

from app.component import read
from app.lessons.course import lessons
from app.training.curves import curves
from tests.browser.book import done, leaf, onward, open_at
from tests.browser.driving import alone, own_problems, running_server, settle, watched
from tests.browser.test_class import TEACHER, ask, log_in, teach
from vitrm.runs.folder import Run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the server runs and keeps its runs; whatever still trains in the end is ended."""
    folder = tmp_path_factory.mktemp("class")
    yield folder
    for run in map(Run, (folder / "runs").glob("*")):
        if run.is_running and run.has_config:
            os.kill(run.status()["pid"], signal.SIGKILL)


@pytest.fixture(scope="module")
def servers(chromium, folder):
    """Starts servers in that folder, and ends them."""
    settings = {"OMP_NUM_THREADS": "1", "VITRM_TRAIN_THREADS": "1"} | TEACHER["env"]
    with contextlib.ExitStack() as started:
        yield lambda port=None: started.enter_context(running_server(folder, port, env=settings))


@pytest.fixture
def pages(chromium):
    """Opens pages, each of another visitor."""
    contexts = []

    def open_page(width=1280):
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}))
        page = watched(contexts[-1].new_page())
        return page

    yield open_page
    for context in contexts:
        context.close()


def figure(page, name):
    return page.locator(f"figure[data-name={name}]")


def points(page, name):
    return int(figure(page, name).get_attribute("data-points"))


def wait_for_points(page, name, count):
    page.wait_for_function(
        """([name, count]) => [...document.querySelectorAll("*")].some((host) =>
            Number(host.shadowRoot?.querySelector(`figure[data-name=${name}]`)?.dataset.points) >= count)""",
        arg=[name, count],
    )


LESSON, STARTS = lessons()["train-one-in-a-minute"], 2  # the leaf on which one is started


@pytest.mark.slow
def test_a_training_is_watched_paused_and_finished_early_and_a_class_answered_over_the_end_of_the_server(
    servers, pages, folder
):
    address, server = servers()
    page = pages()
    open_at(page, address, LESSON, STARTS)
    page.get_by_role("button", name="Start training").click()
    done(page, "Start a training")
    onward(page, "Watch it learn")
    leaf(page, "Watch it learn")
    page.locator(".book .fold").click()
    (visitor,) = (c["value"] for c in page.context.cookies() if c["name"] == "vitrm_visitor")
    assert re.fullmatch("[0-9a-f]{32}", visitor)
    wait_for_points(page, "accuracy", 2)
    assert re.match(r"Validation accuracy in percent: .* at first, now", alt(page, "accuracy"))

    count = zoom_in(page)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Single update", exact=True).click()  # not the term in the text
    expect(page.get_by_text("What that one update changed")).to_be_visible()
    expect(page.get_by_text(re.compile(r"Update \d+: epoch"))).to_be_visible()

    phone = pages(width=360)
    seen_by_another(phone, address, count)
    page.get_by_text("Open the player on this run").click()
    expect(page.locator(".sentence")).to_contain_text("Supervision step 1 of 1")
    (run,) = (Run(path) for path in (folder / "runs").iterdir() if path.name.startswith("digits"))
    assert [event["event"] for event in run.metrics()].count("Updated") == 1

    assert own_problems(page) == []
    page.goto("about:blank")  # or it would complain, and rightly
    answer_in_class(pages, address, phone)
    server.kill()  # the app is gone; the training waits where it was
    server.wait()
    assert run.state == "paused"
    address, _ = servers(int(address.rpartition(":")[2]))
    go_on_in_class(pages, address, phone)
    before = epochs(run)
    page.goto(f"{address}/train?run={run.name}&lesson={LESSON.key}")  # the book knows how far it was
    page.get_by_role("button", name="Resume").click()
    wait_for_points(page, "accuracy", before + 1)
    assert epochs(run) > before
    page.get_by_role("button", name="Stop training").click()
    page.get_by_role("button", name="Finish as it is").click()
    done(page, "Watch it learn")
    page.locator(".book .fold").click()
    onward(page, "What came out, and why?")
    expect(page.locator(".book figure .note")).to_contain_text(f"The training “{run.name}”: ")
    assert run.state == "finished"
    assert own_problems(page) == []
    settle(page)


def seen_by_another(phone, address, count):
    """Another visitor, on a telephone, sees the same run without asking for it."""
    phone.goto(f"{address}/train")
    wait_for_points(phone, "loss", count)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 360
    assert own_problems(phone) == []


@contextlib.contextmanager
def teaching(pages, address):
    """The page Class of a visitor who may become the teacher."""
    page = pages()
    page.goto(f"{address}/class")
    settle(page)
    yield page
    assert own_problems(page) == []
    assert page.outside == []
    page.close()


def answer_in_class(pages, address, phone):
    """The first question of a class, by phone."""
    with teaching(pages, address) as teacher:
        phone.goto(f"{address}/class?code={teach(teacher)}")
        expect(teacher.get_by_text("1 phone here")).to_be_visible()
        ask(teacher, "Before the lessons, 2 of 5")
        phone.get_by_text("It can become wrong").click()
        phone.get_by_role("button", name="Send").click()
        expect(phone.get_by_text("Your answer is with the teacher")).to_be_visible()


def go_on_in_class(pages, address, phone):
    """After the server was started again nothing is lost, and the phone comes back by itself."""
    with teaching(pages, address) as teacher:
        log_in(teacher)
        expect(teacher.get_by_text("1 of 1 have answered")).to_be_visible()
        ask(teacher, "Before the lessons, 3 of 5")
        expect(phone.get_by_text("Your answer is with the teacher")).to_have_count(0)
        expect(phone.get_by_role("button", name="Send")).to_be_visible()
    phone.close()


def zoom_in(page):
    """With new points arriving the chart is the same one, and shows the same part; the points there were before."""
    box = figure(page, "loss").locator(".u-over").bounding_box()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], box["y"] + 40, steps=4)
    page.mouse.up()
    figure(page, "loss").evaluate("node => { node.kept = true }")
    # The last point before their number: one may come between, and the wait be over at once.
    shown, last, count = visible(page), figure(page, "loss").get_attribute("data-last"), points(page, "loss")
    assert shown[1] - shown[0] < shown[3]
    wait_for_points(page, "loss", count + 2)
    assert figure(page, "loss").get_attribute("data-last") != last  # the curve moves
    assert figure(page, "loss").evaluate("node => node.kept")
    assert visible(page)[:2] == shown[:2]
    return count


def epochs(run):
    return [event["event"] for event in run.metrics()].count("EpochEnd")


def alt(page, name):
    return figure(page, name).locator("[role=img]").get_attribute("aria-label")


def visible(page):
    """Ends of the x axis as shown, and of the data."""
    return page.locator(".curves").first.evaluate(
        "node => [node.plots[0].scales.x.min, node.plots[0].scales.x.max, node.plots[0].data[0][0], "
        "node.plots[0].data[0].at(-1)]"
    )


def test_charts_are_taken_down_with_their_component_and_not_before(page):
    """uPlot keeps each until then. Streamlit also calls what a drawing returned when the next one has overtaken it."""
    script = [read(curves.__file__, *names) for names in (("uplot.min.js", "curves.js"), ("component.js",))]
    alone(page, "<main><section class='curves'></section></main>", *script)
    chart = curves.Chart("loss", "epoch", "Loss", (curves.Line("training", [1, 2], [3.0, 2.0], "#3d7fd1"),), "Falls.")
    assert page.evaluate(
        """async (data) => {
            const component = { data, parentElement: document.querySelector("main") };
            const count = () => component.parentElement.querySelectorAll(".uplot").length, counts = [];
            const overtaken = await mount(component), last = await mount(component);
            for (const act of [overtaken, () => component.parentElement.remove(), last]) {
                act();
                counts.push(count());
            }
            return counts;
        }""",
        curves.payload([chart]),
    ) == [1, 1, 0]
