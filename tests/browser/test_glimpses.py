"""Choosing what the model looks at, and the game."""

import re

import numpy as np
from playwright.sync_api import expect

from app.component import DRAWING, TRACE, read
from app.glimpses.play import picks
from tests.browser.driving import alone, own_problems, settle


def test_what_arrives_is_predicted_patches_are_chosen_and_the_game_tells_nothing_early(page, server):
    page.goto(f"{server}/glimpses?open=glimpses")
    frames = page.locator(".panel-glimpses .frame .answered")
    expect(frames).to_have_text(["?"] * 6)
    expect(page.locator(".bars output").first).to_be_hidden()  # the places of the bars are there, without an answer
    page.locator(".player").press("ArrowRight")
    expect(frames).to_have_text([re.compile(r"\d"), *["?"] * 5])
    page.locator(".panel-glimpses summary").click()
    expect(page.locator(".panel-glimpses tr")).to_have_count(2)  # a heading and the step that has been reached

    page.get_by_text("Would you choose better patches?").click()
    status = page.locator(".picks .status")
    expect(status).to_contain_text("4 to go")
    settle(page)
    pictures = page.locator(".grid").evaluate(
        "e => [...e.querySelectorAll('button')].map((b) => b.style.backgroundImage)"
    )
    assert pictures == ["none"] * 16
    for patch in (5, 6):
        page.locator(f".grid [data-patch='{patch}']").click()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Space")
    expect(status).to_contain_text("Now show them to the model")
    page.talk.sent.clear()
    page.locator("[data-do=show]").click()
    expect(status).to_contain_text("Step 2 of 4")
    expect(page.locator(".picks tbody tr.own td")).to_have_count(1)
    expect(page.locator(".picks .verdict")).to_contain_text("With your patches the model answers")
    shown = [k for k in range(16) if page.locator(f".grid [data-patch='{k}'].last").count()]
    assert shown == [5, 6, 9, 10]

    page.get_by_text("Can you be right before the model is?").click()
    game = page.locator(".game")
    expect(game.locator(".status")).to_contain_text("What is it?")
    settle(page)
    game.focus()
    page.talk.sent.clear()
    page.keyboard.press("ArrowRight")
    expect(game.locator(".seen")).to_have_text("50 % of the image seen, 2 glimpses")
    assert game.locator(".truth, .said").count() == 0
    assert not re.search("said|right|wrong", game.locator(".status").inner_text())
    page.keyboard.press("7")
    expect(game.locator(".status")).to_contain_text("You said 7 after 2 glimpses")
    expect(game.locator(".seen")).to_contain_text("the whole image")
    assert page.talk.sent == []
    assert own_problems(page) == []  # Streamlit's own, on every sub-page


def test_a_smaller_grid_is_reached_by_keyboard_after_a_larger_one(page):
    alone(page, read(picks.__file__, "picks.html"), read(picks.__file__, TRACE, DRAWING, "picks.js"))
    asked = {"picks": [], "rows": [], "attended": [], "size": 4, "steps": 4}
    for across in (5, 4):
        pixels = np.zeros((1, 4 * across, 4 * across), np.uint8)
        data = {"key": f"{across}", **picks.picture(pixels, 4, "01", 1), **asked}
        page.evaluate("data => mount({ data, parentElement: document.body, setStateValue() {} })", data)
        cells = page.locator(".grid button")
        expect(cells).to_have_count(across**2)
        expect(page.locator(".grid button[tabindex='0']")).to_have_count(1)
        cells.last.click()
