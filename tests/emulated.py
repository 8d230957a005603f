"""Images for the emulated boards, and the reason where they cannot be had."""

import subprocess
import sys
from pathlib import Path

import pytest
from wayside_hil.emulator import MissingError
from wayside_hil.emulator.install import install

ROOT = Path(__file__).resolve().parent.parent


def built_image(board: str) -> Path:
    """The image of `board`, built when its sources have changed; skips the test where it or the emulator cannot be."""
    words = [sys.executable, ROOT / "tools" / "images.py", board]
    made = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode:
        pytest.skip(f"the image cannot be built here: {made.stdout.strip().splitlines()[-1]}")
    skip_without_emulator()
    return ROOT / "dist" / f"{board}.uf2"


def skip_without_emulator() -> None:
    """Skips the test where the emulator cannot be installed."""
    try:
        install()
    except MissingError as lack:
        pytest.skip(f"the emulator cannot be had here: {lack}")
