#!/bin/sh
# Writes the lock files anew: hashes for every platform, no address of a registry, no local path.
set -eu

UV_VERSION=0.13.9

[ -x .lock-venv/bin/python ] || .venv/bin/python -m venv .lock-venv
.lock-venv/bin/python -m pip install -qq "uv==$UV_VERSION"

# compile LOCK SOURCE [EXTRA…]. A lock starts empty: what already stands in it would be kept.
compile() {
    lock=$1
    shift
    rm -f "$lock"
    .lock-venv/bin/uv pip compile "$@" --output-file "$lock" --quiet \
        --no-config --no-sources --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
}

compile requirements.lock pyproject.toml --extra dev
compile requirements-node.lock requirements-node.in
rm -f package-lock.json
PATH="$PATH:$PWD/.venv/bin" npm install --package-lock-only --ignore-scripts --no-audit --no-fund \
    --loglevel=error
