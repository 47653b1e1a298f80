"""The product's own style sheets and scripts, joined into a file each.

There are two dozen of them so that each has one subject; a browser would ask for them six at a
time. Made at the start, in the order of their names, which is the order in which they apply.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from flask import Blueprint, Response, abort

ASSETS = Path(__file__).parent.parent / "assets"
FIRST = ("00-ahead.js", "05-theme.js")  # in the head of every page, before anything shows
TYPES = {".css": "text/css", ".js": "text/javascript"}

_BESIDE = re.compile(r'(?<=url\(")vendor/[^"?]+(?="\))')  # what a style sheet takes from there

joined_assets = Blueprint("joined_assets", __name__)


def marked(name: str) -> str:
    """The address of an asset, marked by when it was written, so that it may be kept for ever."""
    return f"/assets/{name}?m={int((ASSETS / name).stat().st_mtime)}"


class Joined:
    """Some files as one. ``name``: the one file's; ``address``: where it is, marked by content."""

    def __init__(self, name: str, files: list[Path]) -> None:
        self.name = name
        self.type = TYPES[Path(name).suffix]
        parts = (f"/* {each.name} */\n{each.read_text(encoding='utf-8')}" for each in files)
        self.text = _BESIDE.sub(lambda found: marked(found[0]), "\n".join(parts))
        mark = hashlib.sha256(self.text.encode()).hexdigest()[:12]
        self.address = f"/assets/{name}?m={mark}"


def _all_but_first(pattern: str) -> list[Path]:
    return [path for path in sorted(ASSETS.glob(pattern)) if path.name not in FIRST]


FIRST_SCRIPT = Joined("first.js", [ASSETS / name for name in FIRST])
SCRIPTS = Joined("all.js", _all_but_first("*.js"))
STYLES = Joined("all.css", _all_but_first("*.css"))
_BY_NAME = {each.name: each for each in (FIRST_SCRIPT, SCRIPTS, STYLES)}


@joined_assets.get('/assets/<any("first.js", "all.js", "all.css"):name>')
def static(name: str) -> Response:
    """One of the joined files. Named as Flask's own views of files are: open to everybody."""
    found = _BY_NAME.get(name)
    return Response(found.text, mimetype=found.type) if found else abort(404)
