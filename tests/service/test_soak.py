"""An hour of the gateway among faults in half a minute; `make soak` has it do a whole day (tools/soak.py)."""

import asyncio
import sys
from pathlib import Path

import pytest
from north.mosquitto import PROGRAM

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from soak import slope, soak  # tools/ are scripts, no package
from soak_world import Plan


@pytest.mark.campaign
@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not here")
def test_an_hour_among_faults(tmp_path: Path):
    """Reports as often as polls, so that retention erases long before the end."""
    plan = Plan(
        hours=0.6,
        meters=2,
        channels=10,
        poll_ms=500,
        report_ms=500,
        fault_every_s=100,
        fault_most_s=150,
        sample_every_s=20,
    )
    result = asyncio.run(soak(plan, tmp_path, print))
    print(result.figures)
    assert not result.problems, (result.problems, result.figures)


def test_the_trend_of_a_line_is_its_slope():
    assert slope([(1, 5), (2, 7), (3, 9)]) == 2
    assert slope([(1, 5), (1, 7)]) == 0
