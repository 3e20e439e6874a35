"""Copy link."""

from playwright.sync_api import expect

from tests.browser.driving import own_problems, settle


def test_the_link_that_is_copied_is_the_address_and_where_it_may_not_be_it_is_shown(page, server):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server)
    page.goto(f"{server}/mixture?image=test-4")
    page.locator(".mixture").wait_for()
    settle(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator(".link [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    assert "image=test-4" in page.url
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('not here')); }")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_label("The address of this page")).to_have_value(page.url)
    assert own_problems(page) == []
