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
need python3-venv "$python" -c 'import venv, ensurepip'
need gcc command -v gcc
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
    need libdbus-1-dev test -e /usr/include/dbus-1.0/dbus/dbus.h
    need libglib2.0-dev test -e /usr/include/glib-2.0/glib.h
    need pkg-config command -v pkg-config
    # The images of the boards, and the processors that run them in the tests.
    need cmake command -v cmake
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
    { $as_root apt-get update -q && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q $missing; } \
        >build-apt.log 2>&1 || { tail -5 build-apt.log; echo "setup: apt failed, see build-apt.log"; exit 1; }
    rm -f build-apt.log
fi

# --- virtual environment with the locked packages ---
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Wayside needs Python 3.11 or later; $python is $("$python" --version 2>&1)."
    echo "Type: make run PYTHON=/path/to/python3.11"
    exit 1
}
stamp=$venv/.installed-$3
inputs=$(cat "$lock" requirements/esp32-stubs.txt pyproject.toml | sha256sum | cut -c1-16)
if [ "$(cat "$stamp" 2>/dev/null)" != "$inputs" ]; then
    echo "setup: Python packages into $venv"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes -r "$lock"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
    if [ "$3" = dev ]; then
        rm -rf "$venv/esp32"
        "$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps --require-hashes \
            --target "$venv/esp32" -r requirements/esp32-stubs.txt
    fi
    echo "$inputs" >"$stamp"
fi
# Where pyright finds the MicroPython stubs, by a path without Python's version in it (firmware/pyrightconfig.json).
ln -sfn "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" "$venv/stubs"

# --- the virtual board: MicroPython's unix port with our native module ---
"$venv/bin/python" tools/virtual_board.py >/dev/null
