#!/bin/sh
# Set-up of `make run` and `make test`: system packages, virtual environment, pinned packages, the virtual board's
# MicroPython. Each step is skipped when its result is already there for the same inputs.
#   tools/setup.sh PYTHON VENV run|dev
set -eu
python=$1
venv=$2
lock=requirements/$3.txt
cd "$(dirname "$0")/.."

# --- system packages: installed where that is allowed, otherwise one line to type ---
missing=
need() { # need PACKAGE TEST...: remembers PACKAGE when TEST fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
# A Python of Debian's has its parts in packages of its version; any other one came with them, or not.
python_part() { # python_part PART TEST...: the package python3.N-PART, of the Python that will be used
    part=$1
    shift
    "$@" >/dev/null 2>&1 && return
    if ! command -v "$python" >/dev/null; then
        missing="$missing python3-$part"
    elif dpkg -S "$(readlink -f "$(command -v "$python")")" >/dev/null 2>&1; then
        missing="$missing python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-$part"
    else
        echo "setup: $python is not Debian's and lacks what python3-$part has; install it where that Python comes from,"
        echo "  or type: make run PYTHON=/usr/bin/python3"
        exit 1
    fi
}
python_part venv "$python" -c 'import venv, ensurepip'
need gcc command -v gcc
need libc6-dev test -e /usr/include/stdio.h
need make command -v make
need pkgconf command -v pkg-config
need dpkg-dev command -v dpkg-source
need libffi-dev pkg-config --exists libffi
if [ "$3" = dev ]; then
    need mosquitto test -x /usr/sbin/mosquitto
    # Independent peers of our Modbus.
    need libmodbus-dev pkg-config --exists libmodbus
    need mbpoll command -v mbpoll
    # An independent check of signatures.
    need openssl command -v openssl
    # Reads the units.
    need systemd command -v systemd-analyze
    # The package of the gateway is installed into a clean Debian.
    need debootstrap command -v debootstrap
    # The status site is tested in a real browser.
    need chromium command -v chromium
    # BlueZ as a mock on a bus of its own; dbus-python is compiled.
    need dbus command -v dbus-daemon
    python_part dev "$python" -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")'
    need libdbus-1-dev test -e /usr/include/dbus-1.0/dbus/dbus.h
    need libglib2.0-dev test -e /usr/include/glib-2.0/glib.h
    need pkg-config command -v pkg-config
    # The images of the boards, and the processors that run them in the tests.
    need cmake command -v cmake
    need ccache command -v ccache
    need gcc-arm-none-eabi command -v arm-none-eabi-gcc
    need libnewlib-arm-none-eabi test -d /usr/lib/arm-none-eabi/newlib
    need libstdc++-arm-none-eabi-newlib test -e /usr/lib/arm-none-eabi/newlib/libstdc++.a
    need qemu-system-arm command -v qemu-system-arm
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif sudo -n true 2>/dev/null; then
        as_root=sudo
    else
        echo "Wayside needs system packages. Type this line, then try again:"
        echo "  sudo apt-get install -y$missing"
        exit 1
    fi
    echo "setup: installing system packages:$missing"
    # shellcheck disable=SC2086
    { $as_root apt-get update -q && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q $missing; } \
        >build-apt.log 2>&1 || {
        # What dpkg says of a package comes before what apt makes of it.
        why=$(grep -m 1 -E '^(dpkg: error|E: )' build-apt.log | sed 's/^E: //' || true)
        echo "setup: apt cannot install$missing: ${why:-no reason given} (all of it: build-apt.log)"
        exit 1
    }
    rm -f build-apt.log
fi

# --- virtual environment with the locked packages ---
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Wayside needs Python 3.11 or later; $python is $("$python" --version 2>&1)."
    echo "Type: make run PYTHON=/path/to/python3.11"
    exit 1
}
install() { # install ARGUMENTS...: by pip; one line says which package failed and why
    rm -f build-pip.log
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --log build-pip.log "$@" >/dev/null 2>&1 && return
    package=$(sed -nE 's/.*(Collecting|Building wheel for|Processing) (\.\/)?([^ ]+).*/\3/p' build-pip.log | tail -n 1)
    generic='subprocess-exited-with|metadata-generation-failed|Failed building|Could not build|legacy-install|present-rich|pip[.]_internal'
    why=$(grep -E '(ERROR|[Ee]rror): ' build-pip.log | grep -vE "$generic" | tail -n 1 | sed -E 's/^[^ ]+ +//' || true)
    echo "setup: pip cannot install ${package:-$*}: ${why:-no reason given} (all of it: build-pip.log)"
    exit 1
}
stamp=$venv/.installed-$3
inputs=$(cat "$lock" requirements/build.txt requirements/esp32-stubs.txt pyproject.toml | sha256sum | cut -c1-16)
if [ "$(cat "$stamp" 2>/dev/null)" != "$inputs" ]; then
    echo "setup: Python packages into $venv"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    # pip compares a hash before it runs a source distribution's code. What that is built with has to be here already:
    # in isolation pip would fetch the newest of it, by no hash (docs/decisions/0002). Some of it are programs.
    PATH=$(cd "$venv" && pwd)/bin:$PATH
    install --require-hashes -r requirements/build.txt
    install --require-hashes --no-build-isolation -r "$lock"
    install --no-deps --no-build-isolation -e .
    if [ "$3" = dev ]; then
        rm -rf "$venv/esp32"
        install --no-deps --require-hashes --target "$venv/esp32" -r requirements/esp32-stubs.txt
    fi
    rm -f build-pip.log
    echo "$inputs" >"$stamp"
fi
# Where pyright finds the MicroPython stubs, by a path without Python's version in it (firmware/pyrightconfig.json).
ln -sfn "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" "$venv/stubs"

# --- the virtual board: MicroPython's unix port with our native module ---
"$venv/bin/python" tools/virtual_board.py >/dev/null
