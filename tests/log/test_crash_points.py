"""Power cut at every byte that the log ever writes: nothing acknowledged is lost, no second history is signed.

WAYSIDE_CRASH_POINTS sets how many of the points are tried (default 1,500, in a campaign 12,000, spread evenly over all;
0: all, above 300,000); WAYSIDE_SEED the random choices. What the model covers and what not is said in crash.py.
"""

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path

import pytest

from .crash import ROLLED_BACK, Disk, Run, Step, check, cuts, mixed, record

POINTS = os.environ.get("WAYSIDE_CRASH_POINTS")
SEED = int(os.environ.get("WAYSIDE_SEED", "2026"))
BATCHES = [1, 258, 2]  # over a full tile
WORKERS = 2
REORDERED = 12_000
LIED = 12_000
Point = tuple[Disk, Step, bool]
"""Disk, the step in which the power went, whether the disk lied."""


def memory_folder() -> Path:
    shared = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="wayside-crash-", dir=shared if shared.is_dir() else None))


def points(run: Run, seed: int) -> Iterator[Callable[[], Point]]:
    """Each made when it is called for: of hundreds of thousands few are tried."""
    for step in run.steps:
        for disk in cuts(step):
            yield partial(lambda disk, step: (disk(), step, False), disk, step)
    for number in range(REORDERED):
        yield partial(reordered, run, f"{seed} {number}")
    for number in range(LIED):
        yield partial(lied, run, f"{seed} {number}")


def reordered(run: Run, seed: str) -> Point:
    chance = random.Random(seed)
    step = chance.choice(run.steps[1:])
    return mixed(step.before, step.after, chance), step, False


def lied(run: Run, seed: str) -> Point:
    chance = random.Random(seed)
    last = chance.randrange(1, run.appending)
    first = max(1, last - chance.randrange(1, 5))
    step = run.steps[last]
    return mixed(run.steps[first].before, step.after, chance), step, True


def work(share: int, run: Run, stride: int) -> Counter[str]:
    """Try this worker's share of the points; counts by what happened."""
    folder = memory_folder()
    found: Counter[str] = Counter()
    try:
        for made in islice(points(run, SEED), share * stride, None, WORKERS * stride):
            disk, step, has_lied = made()
            found[check(folder, disk, run, step, has_lied) or "right"] += 1
    finally:
        shutil.rmtree(folder)
    return found


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    folder = memory_folder()
    yield record(folder / "log", BATCHES)
    shutil.rmtree(folder)


@pytest.mark.campaign(minutes=3)
def test_power_may_go_at_any_byte(run: Run, share: Callable[[int, int], int]):
    wanted = int(POINTS) if POINTS else share(400, 12_000)
    total = sum(sum(1 for _ in cuts(step)) for step in run.steps) + REORDERED + LIED
    assert total >= 300_000, total
    stride = max(1, total // wanted) if wanted else 1
    with ProcessPoolExecutor(WORKERS) as pool:
        found = sum(pool.map(work, range(WORKERS), [run] * WORKERS, [stride] * WORKERS), Counter())
    # check() allows ROLLED_BACK to a disk that lied, and to no other.
    assert set(found) <= {"right", ROLLED_BACK}, found.most_common(10)
    assert found.total() >= total // stride
    print(f"{found.total()} of {total} crash points: {dict(found)}")


def test_the_model_finds_what_it_should(run: Run, tmp_path: Path):
    """The checkpoint slot on disk before its entries, without a lie of the disk: the model calls it wrong."""
    step = run.steps[4]
    disk = dict(step.before) | {"epoch-0.signed": run.steps[run.appending - 1].after["epoch-0.signed"]}
    assert "new epoch without need" in check(tmp_path / "log", disk, run, step)
    assert check(tmp_path / "log", disk, run, step, lied=True) == ""


def test_a_disk_that_forgets_signatures_too_cannot_be_told(run: Run, tmp_path: Path):
    """The limit that the model knows: every file as it was before the last append that was acknowledged."""
    old, last = run.steps[4].after, run.steps[run.appending - 1]
    last = last._replace(acknowledged=last.written)
    assert "261 entries were acknowledged, 259 are left" in check(tmp_path / "log", old, run, last)
    assert check(tmp_path / "log", old, run, last, lied=True) == ROLLED_BACK


def test_the_model_finds_erased_entries_that_come_back(run: Run, tmp_path: Path):
    step = next(each for each in run.steps if each.erased)
    before = next(each for each in run.steps if each.erasing).before
    assert check(tmp_path / "log", before, run, step) == "erased entries are back"
    assert check(tmp_path / "log", step.after, run, step) == ""
    unnamed = run.steps[run.appending - 1]
    assert (
        check(tmp_path / "log", step.after, run, unnamed._replace(written=10**6))
        == "entries are erased that nobody named"
    )
