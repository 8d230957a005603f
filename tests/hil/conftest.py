"""The bench: the real image, built once, in the emulator."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from hil.emulator import Emulator, MissingError  # noqa: E402
from hil.emulator.install import install  # noqa: E402
from hil.repl import Repl, prompt  # noqa: E402
from hil.world import World  # noqa: E402


@pytest.fixture(scope="session")
def image() -> Path:
    """The RP2040_METER image, built when its sources have changed; skipped where it cannot be."""
    made = subprocess.run(
        [sys.executable, ROOT / "tools" / "images.py", "RP2040_METER"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"the image cannot be built here: {made.stdout.strip().splitlines()[-1]}")
    try:
        install()
    except MissingError as lack:
        pytest.skip(f"the emulator cannot be had here: {lack}")
    return ROOT / "dist" / "RP2040_METER.uf2"


@pytest.fixture
def pico(image: Path) -> Iterator[Emulator]:
    """A Pico fresh from the shop with our image copied onto it."""
    with Emulator(image) as emulator:
        yield emulator


@pytest.fixture
def world(pico: Emulator) -> World:
    return World(pico)


@pytest.fixture
def repl(world: World) -> Repl:
    """Its prompt: without a configuration the node's application says so and ends."""
    return prompt(world)
