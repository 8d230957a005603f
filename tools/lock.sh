#!/bin/sh
# Write the hash locks in requirements/ anew from pyproject.toml (needs pip-tools on the PATH).
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
        --no-header --no-annotate "$@" --output-file "$out" pyproject.toml
}
compile requirements/run.txt --build-deps-for editable --extra demo
compile requirements/dev.txt --build-deps-for editable \
    --extra demo --extra web --extra ble --extra technician --extra signals --extra dev
# What the Debian package brings along: as tested, so never another version than above.
compile requirements/deb.txt --constraint requirements/dev.txt --extra web --extra ble
