"""The simulated cell agrees with theory where theory holds, and shows what it does not know."""

import random

from radio_cell import Cell, delivered, survivors, theory


def cell(nodes: int, jitter: int, start_s: float) -> Cell:
    return Cell(nodes, 900, 102_656, 189_696, 4, jitter, start_s)


def test_overlap_loses_both() -> None:
    assert survivors([(0, 10), (10, 20), (30, 40)]) == 3
    assert survivors([(0, 10), (9, 20), (30, 40)]) == 1
    assert survivors([(0, 100), (10, 20), (30, 40), (100, 110)]) == 1


def test_independent_nodes_are_aloha() -> None:
    for nodes in (100, 500):
        found = delivered(cell(nodes, 62, 900), 12, random.Random(1))
        assert abs(found - theory(cell(nodes, 62, 900))) < 0.02


def test_nodes_that_start_together_need_jitter() -> None:
    together = delivered(cell(500, 0, 10), 6, random.Random(2))
    jittered = delivered(cell(500, 62, 10), 6, random.Random(2))
    assert together < 0.1 < 0.5 < jittered < theory(cell(500, 62, 900))
