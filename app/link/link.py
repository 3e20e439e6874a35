"""Copy link: the address that the browser shows, which says all that a link carries (`app.state`)."""

from __future__ import annotations

from app import sections
from app.component import component

_component = component("vitrm_link", __file__, html="link.html", css="link.css", js=("arrive.js", "link.js"))


def copy_link() -> None:
    """The button, above the title at the right (app/page.css); once on every page."""
    section, press = sections.led_to()
    _component(data={"section": section, "press": press}, key="copy_link")
