"""Our quick core does what rp2040js does, on random instructions from random states."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from wayside_hil import emulator
from wayside_hil.emulator.install import MissingError, install

FAST_CORE = Path(emulator.__file__).parent / "fast_core.js"
COMPARE = Path(__file__).parent / "compare_cores.js"


@pytest.mark.parametrize("seed", [1, 2])
def test_equal_results_flags_cycles_and_memory(seed: int) -> None:
    try:
        place = install()
    except MissingError as error:
        pytest.skip(str(error))
    ran = subprocess.run(
        [place.node, COMPARE, FAST_CORE, str(seed), "30000"],
        env=os.environ | {"NODE_PATH": str(place.modules)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    count = json.loads(ran.stdout)
    assert count["done"] > count["tried"] / 2, "most instructions are done by the quick core"
