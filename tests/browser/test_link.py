"""Copy link."""

from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle


def test_a_link_that_names_a_section_arrives_at_it_and_what_is_copied_is_the_address(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server)
    page.set_viewport_size({"width": 1280, "height": 720})
    for path, part in (
        ("halting?open=meaning&image=test-4", page.locator(".st-key-section_meaning")),
        ("attention?open=maps", page.locator(".panel-attention .maps")),
    ):
        page.goto(f"{server}/{path}")
        expect(part).to_be_in_viewport(ratio=0.2)
        settle(page)
        page.wait_for_function("node => Math.abs(node.getBoundingClientRect().top - 70) < 3", arg=part.element_handle())
        page.mouse.move(640, 400)
        page.mouse.wheel(0, -5000)  # it stays where one scrolls to
        expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
        page.get_by_role("button", name="Copy link").click()
        expect(page.locator(".link [role=status]")).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.readText()") == page.url
        assert page.url.partition("open=")[2].startswith(path.partition("open=")[2].partition("&")[0])
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.get_by_role("button", name="Copy link").click()  # where it may not be copied it is shown
    expect(page.get_by_label("The address of this page")).to_have_value(page.url)
    assert own_problems(page) == []
