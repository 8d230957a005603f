#!/bin/sh
# Write the hash locks in requirements/ anew from pyproject.toml (needs pip-tools on the PATH).
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
        --no-header --no-annotate --output-file "$out" "$@"
}
compile requirements/run.txt --build-deps-for editable --extra demo pyproject.toml
compile requirements/dev.txt --build-deps-for editable \
    --extra demo --extra web --extra ble --extra import --extra technician --extra signals --extra plan --extra dev pyproject.toml
# What source distributions are built with (tools/setup.sh): pip would fetch the newest of each, by no hash, and run it.
compile requirements/build.txt --constraint requirements/dev.txt requirements/build.in
# What the Debian package brings along: as tested, so never another version than above.
compile requirements/deb.txt --constraint requirements/dev.txt --extra web --extra ble --extra import pyproject.toml
