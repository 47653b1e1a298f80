"""Copies the front-end files that are served from node_modules to assets/vendor, compressed.

Owns the list of those files. A new one is a line in FILES; its package belongs in package.json.
"""

import gzip
import json
import shutil
from pathlib import Path

import brotli

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ROOT / "node_modules"
VENDOR = ROOT / "assets" / "vendor"

FILES = {
    "bootstrap/dist/css/bootstrap.min.css": "bootstrap.min.css",
    "plotly.js-basic-dist-min/plotly-basic.min.js": "plotly-basic.min.js",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": "inter-latin.woff2",
    "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": "inter-latin-ext.woff2",
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "bootstrap/LICENSE": "licenses/bootstrap.txt",
    "plotly.js-basic-dist-min/LICENSE": "licenses/plotly.js-basic-dist-min.txt",
    "@fontsource-variable/inter/LICENSE": "licenses/inter.txt",
    "swagger-ui-dist/LICENSE": "licenses/swagger-ui-dist.txt",
    "swagger-ui-dist/NOTICE": "licenses/swagger-ui-dist-notice.txt",
}
COMPRESSED_SUFFIXES = {".css", ".js", ".svg", ".json"}


def main() -> None:
    """Writes assets/vendor anew; versions.json comes last, so it stands for a finished copy."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    for source, target in FILES.items():
        copy(PACKAGES / source, VENDOR / target)
    (VENDOR / "versions.json").write_text(json.dumps(versions(), indent=2) + "\n")


def copy(source: Path, target: Path) -> None:
    """Copies one file, with .br and .gz beside it where that makes it smaller."""
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.read_bytes()
    target.write_bytes(content)
    if target.suffix in COMPRESSED_SUFFIXES:
        beside(target, ".br").write_bytes(brotli.compress(content, quality=11))
        beside(target, ".gz").write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def beside(path: Path, suffix: str) -> Path:
    """The compressed neighbour of a file: app.js → app.js.br."""
    return path.with_name(path.name + suffix)


def versions() -> dict[str, str]:
    """The version of each package that is served."""
    wanted = json.loads((ROOT / "package.json").read_text())["dependencies"]
    return {
        name: json.loads((PACKAGES / name / "package.json").read_text())["version"]
        for name in sorted(wanted)
    }


if __name__ == "__main__":
    main()
