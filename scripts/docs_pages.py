"""For mkdocs: what stands outside of docs/ becomes a page of the site, and links between them go on leading there.

mkdocs.yml names this file; `make docs` runs it.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {  # of the site, and where they stand
    "index.md": "README.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "results.md": "results/README.md",
}
_LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:)([^)#\s]+)([^)]*)\)")
_OF_SITE = {where: page for page, where in PAGES.items()} | {"results": "results.md"}


def on_files(files: Files, config: Any) -> Files:
    """Add those pages."""
    for page, where in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / where).read_text(encoding="utf-8")))
    return files


def on_page_markdown(text: str, *, page: Any, **_: Any) -> str:
    """Have links lead to pages of the site; what is no page of it (a licence, a table) is named without a link."""
    here = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def lead(found: re.Match) -> str:
        to = posixpath.normpath(posixpath.join(posixpath.dirname(here), found[2]))
        target = _OF_SITE.get(to, to.removeprefix("docs/") if to.startswith("docs/") else None)
        return f"[{found[1]}]({target}{found[3]})" if target else found[1]

    return _LINK.sub(lead, text)
