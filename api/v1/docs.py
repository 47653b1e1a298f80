"""``/api/docs``: the description as a page that calls can be tried on; served from here alone."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse

ASSETS = Path(__file__).parents[2] / "assets"
PATH = "/api/docs"
# Swagger's own files come from scripts/vendor.py; those of docs/ are left alone by the screens.
# The palette and the font are the screens' own, so that both always look alike.
_STYLES = ("vendor/swagger-ui.css", "10-tokens.css", "docs/api-docs.css")
_SCRIPTS = ("vendor/swagger-ui-bundle.js", "docs/api-docs.js")


def api_docs() -> HTMLResponse:
    """The page; it holds no data, so that it is open to everybody."""
    return HTMLResponse(_page(), headers={"Cache-Control": "no-cache"})


@cache
def _page() -> str:
    styles = "\n".join(f'<link rel="stylesheet" href="{_address(name)}">' for name in _STYLES)
    scripts = "\n".join(f'<script src="{_address(name)}"></script>' for name in _SCRIPTS)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API · Usage Dashboard</title>
<link rel="icon" href="data:,">
{styles}
<script src="{_address("05-theme.js")}"></script>
</head>
<body>
<header class="docs-head">
<a class="docs-back" href="/"><span aria-hidden="true">‹</span> Usage Dashboard</a>
<b>API</b>
<a class="docs-file" href="/api/v1/openapi.json">openapi.json</a>
</header>
<main id="api-docs"></main>
<noscript>This page needs JavaScript; the description itself is at /api/v1/openapi.json.</noscript>
{scripts}
</body>
</html>
"""


def _address(name: str) -> str:
    """The address of a front-end file, marked by its version."""
    return f"/assets/{name}?m={int((ASSETS / name).stat().st_mtime)}"
