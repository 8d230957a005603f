from pathlib import Path

import pytest
from wayside_hil.scenario import load, play

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", ["button.yaml", "twice.toml"])
def test_scenario(dut, file):
    play(load(HERE / file), dut)
