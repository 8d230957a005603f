#!/bin/sh
# Write the hash locks in requirements/ anew from pyproject.toml (needs pip-tools on the PATH).
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links \
        --no-header --no-annotate --build-deps-for editable "$@" --output-file "$out" pyproject.toml
}
compile requirements/run.txt --extra demo
compile requirements/dev.txt --extra demo --extra web --extra ble --extra technician --extra signals --extra dev
