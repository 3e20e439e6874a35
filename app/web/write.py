"""The site as files: a page for each lesson, the components, and a script for each recorded trace.

It is opened from a disk as well as from a server, so nothing is fetched: a page adds the script of the trace it shows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

from app.component import COLOURS, read
from app.halting.exits import exits
from app.lessons.book import book
from app.lessons.shelf import shelf
from app.player import player
from app.web import pictures
from app.web.course import course
from app.web.recordings import CLOTHES, GLIMPSES, HALTING, MAZES, WHOLE, Recording, recordings
from vitrm.errors import DataError

GENERATOR = "vitrm site"  # by which a folder that was written before is known


@dataclass(frozen=True)
class Page:
    """A lesson: where it leads, the recordings it shows and how."""

    name: str  # of its file, and of the words in pages/
    title: str
    sets: tuple[str, ...]
    component: str = "player"
    panels: tuple[str, ...] = ()
    level: str = "supervision step"  # that "next" moves by at first
    predict: bool = True  # in a lesson: it starts before the first step, as in the app


_SEEN = (CLOTHES, GLIMPSES)
_STEP = ("equations", "curves", "code", "memory")
PAGES = (
    Page("watch", "Watch", _SEEN, panels=("glimpses",)),
    Page("step", "Step", (*_SEEN, WHOLE), panels=_STEP, level="single update"),
    Page("attention", "Attention", _SEEN, panels=("attention", "maps"), level="single update", predict=False),
    Page("halting", "Halting", tuple(HALTING.values()), component="exits"),
    Page("mazes", "Mazes", (MAZES,), panels=("cells",)),
)
_COMPONENTS = {  # by name: the function that mounts it, its module's file, HTML, CSS and scripts
    "player": ("mountPlayer", player.__file__, "player.html", "player.css", player.SCRIPTS),
    "exits": ("mountExits", exits.__file__, exits.HTML, exits.CSS, exits.SCRIPTS),
}
_SETS = {
    CLOTHES: "clothes",
    GLIMPSES: "digits",
    WHOLE: "digits at once",
}  # where a page has several, what tells them apart
_SETS |= {recorded_as: _SETS[name] for name, recorded_as in HALTING.items()}


def write(folder: Path) -> list[Path]:
    """Write the site into a folder that is new, empty or holds an older one; the files written.

    Raises DataError if the folder holds anything else, OSError if it cannot be made, RunError if a bundled model is
    not there.
    """
    _check(folder)
    folder.mkdir(parents=True, exist_ok=True)  # before the minute that the recordings take
    found = list(recordings())
    content = {each.file: _script(each) for each in found}
    for name, (_, module, _, _, scripts) in _COMPONENTS.items():
        content[f"assets/{name}.js"] = read(module, *scripts)
    carried = _alone(read(__file__, "../lessons/kept.js", "carried.js"))
    content["assets/site.js"] = carried + read(__file__, "site.js")
    content["assets/site.css"] = read(__file__, COLOURS, "site.css")
    content["assets/course.js"] = f"const vitrmCourse = {json.dumps(_course())};\n"
    content["assets/lessons.js"] = _alone(_lessons_script())
    content["lessons.html"] = _frame("Lessons · ViTRM", "lessons", read(__file__, "lessons.html"))
    content["index.html"] = _frame("ViTRM: watch a tiny vision model refine its answer", "", _home(found))
    for page in PAGES:
        content[f"{page.name}.html"] = _frame(f"{page.title} · ViTRM", page.name, _lesson(page, found))
    written = []
    for name, text in content.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
        written.append(file)
    return written


def _check(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        index = folder / "index.html"
        if not index.is_file() or GENERATOR not in index.read_text(encoding="utf-8", errors="replace"):
            raise DataError(f"'{folder}' holds other files; name a new or an empty folder")


def _script(recording: Recording) -> str:
    return f"vitrmRecorded({json.dumps(recording.name)}, {json.dumps(recording.data)});\n"


def _course() -> dict[str, object]:
    return {
        "lessons": course(),
        "book": f"<style>{read(book.__file__, COLOURS, *book.CSS)}</style>{read(book.__file__, book.HTML)}",
        "shelf": f"<style>{read(shelf.__file__, COLOURS, shelf.CSS)}</style>{read(shelf.__file__, shelf.HTML)}",
    }


def _alone(script: str) -> str:
    """A script whose names are its own."""
    return f"(() => {{\n{script}\n}})();\n"


def _lessons_script() -> str:
    return "\n".join(
        (read(book.__file__, *book.SCRIPTS), read(shelf.__file__, "shelf.js"), read(__file__, "lessons.js"))
    )


def _frame(title: str, here: str, main: str) -> str:
    pages = [*((page.name, page.title) for page in PAGES), ("lessons", "Lessons")]
    links = "".join(
        f'<a href="{name}.html"{" aria-current=page" * (name == here)}>{called}</a>' for name, called in pages
    )
    return Template(read(__file__, "page.html")).substitute(
        title=escape(title), generator=GENERATOR, links=links, main=main
    )


def _home(found: list[Recording]) -> str:
    by_set = {each.set: each.trace for each in reversed(found)}  # the first of each
    shirt = by_set[CLOTHES]
    drawn = {
        "strip": pictures.strip(shirt),
        "strip_words": escape(pictures.strip_words(shirt)),
        "watch": pictures.card(pictures.glimpse(shirt, 2)),
        "step": pictures.card(pictures.paths(shirt)),
        "attention": pictures.card(pictures.attended(shirt)),
        "halting": pictures.card(pictures.halting(shirt)),
        "mazes": pictures.card(pictures.whole(by_set[MAZES])),
    }
    return Template(read(__file__, "home.html")).substitute(drawn)


def _lesson(page: Page, found: list[Recording]) -> str:
    mount, module, html, css, _ = _COMPONENTS[page.component]
    shown = [each for each in found if not each.page and each.set in page.sets]
    shown += {each.name: each for each in found if each.page == page.name and each.name not in _names(shown)}.values()
    several = len(page.sets) > 1
    listed = [{"name": each.name, "file": each.file, "caption": each.caption, "guess": each.guess} for each in shown]
    rows = []
    for name in page.sets:
        of = f'<span class="of">{_SETS[name]}</span>' if several else ""
        about = f", {_SETS[name]}" if several else ""
        row = [_button(k, each, about) for k, each in enumerate(shown) if each.set == name and not each.page]
        rows.append(f"<div>{of}{''.join(row)}</div>")
    data = {"shown": listed, "panels": page.panels, "level": page.level, "predict": page.predict, "mount": mount}
    after = PAGES[(PAGES.index(page) + 1) % len(PAGES)]
    return Template(read(__file__, "lesson.html")).substitute(
        words=read(__file__, f"pages/{page.name}.html"),
        buttons="".join(rows),
        component=f"<style>{read(module, COLOURS, css)}</style>{read(module, html)}",
        data=json.dumps(data).replace("</", "<\\/"),
        script=f"assets/{page.component}.js",
        after=f'<a class="next" href="{after.name}.html">Next: {after.title} →</a>',
    )


def _names(found: list[Recording]) -> set[str]:
    return {each.name for each in found}


def _button(place: int, recording: Recording, about: str) -> str:
    words = f"Image {recording.image.removeprefix('test-')}{about}"
    pixels = recording.trace.pixels.shape[-1]
    picture = f'<img src="{pictures.png(recording.trace)}" style="--pixels:{pixels}px" alt="">'
    return f'<button type="button" data-at="{place}" aria-label="{words}" title="{words}">{picture}</button>'
