"""Where a class is led: one state of a page, as the link says it that Copy link makes."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from app import state
from app.classroom.events import ClassError
from app.figures import as_written
from vitrm.places import ROOT

HOME, CLASS = "watch", "class"  # the page that stands at "/", and the one that all come from
LONGEST = 4000  # letters of a link


def pages() -> list[str]:
    """The pages that a class can be led to."""
    return sorted(page.stem for page in (ROOT / "pages").glob("*.py") if page.stem != CLASS)


def read_place(link: str, prefix: str = "") -> str:
    """The page and its query, "step?image=test-4", of a link to any server.

    Only that is kept of it: nobody is led to another server. `prefix` is what this one's addresses begin with. Raises
    ClassError if it is no link to one of the pages, or names what no page knows.
    """
    if len(link) > LONGEST:
        raise ClassError(f"The link has {len(link)} letters; at most {LONGEST} can be taken along.")
    try:
        parts = urlsplit(link.strip())
        query = parse_qsl(parts.query, keep_blank_values=True, errors="strict")
    except ValueError:
        named = as_written(link.strip())
        raise ClassError(f"“{named}” is no link; use Copy link on the page that all shall see.") from None
    path = parts.path.strip("/").removeprefix(prefix.strip("/")).strip("/")
    page = path or HOME
    if page not in pages():
        named = as_written(path)
        raise ClassError(f"“{named}” is none of the pages: {', '.join(pages())}. Use Copy link on one of them.")
    if unknown := [name for name, _ in query if name not in (*state.IN_URL, state.RUN, state.SHOW)]:
        raise ClassError(f"The link names {as_written(unknown[0])}, which no page here knows.")
    return page + ("?" + urlencode(query) if query else "")


def path_of(place: str, prefix: str = "") -> str:
    """Where a browser finds a place on this server: "/step?image=test-4"."""
    page, mark, query = place.partition("?")
    base = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
    return f"{base}/{'' if page == HOME else page}{mark}{query}"
