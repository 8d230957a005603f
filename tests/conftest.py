"""What tests of every folder share: the real MicroPython VM, and the project's places."""

import gc
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hunts import examples
from hypothesis import is_hypothesis_test, settings
from wayside.runtime import memory

# A shared machine pauses for longer than any limit that would still say something.
settings.register_profile("whole", deadline=None)
settings.register_profile("share", deadline=None, max_examples=examples(settings.default.max_examples))

# The bench's options and reports; as an entry point it would be there twice where the package is installed.
pytest_plugins = ["wayside_hil.plugin"]

_LONG = {"arm", "hil", "log", "lora", "node", "package", "path", "service", "signals", "web", "witness"}
ROOT = Path(__file__).resolve().parent.parent
_MEMORY, _LARGE = Path("/dev/shm"), 4 << 30
VECTORS = ROOT.parent / "shared" / "vectors"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Of all tests --campaign, the others of the bench (tests/hil): one test file for every tier."""
    parser.addoption("--campaign", action="store_true", help="run the tests marked campaign, whole, and no others")
    parser.addoption("--whole", action="store_true", help="run every test, also those marked campaign, whole")
    parser.addoption("--each", type=int, default=0, help="run at most so many tests of each folder, spread over it")
    parser.addoption("--board", help="the bench runs this board only: UNIX or RP2040_METER")
    parser.addoption("--target", help="where it is: process, emulated, wokwi, or a serial port such as /dev/ttyACM0")
    parser.addoption("--cuts", type=int, default=0, help="how many power cuts in the emulated board's flash")
    parser.addoption("--link", help="with a serial port as target: the port of the adapter on the board's link")
    parser.addoption("--bus", help="with a serial port as target: the port of the adapter on the board's RS-485 bus")


def pytest_configure(config: pytest.Config) -> None:
    # Also for children and the VM, and here, before the first test module is read (tests/hunts.py).
    os.environ["WAYSIDE_WHOLE"] = "1" if _is_whole(config) else ""
    settings.load_profile("whole" if _is_whole(config) else "share")
    # Also where PYTHONDONTWRITEBYTECODE is set, as in many containers: else each worker compiles every test, and each
    # of the hundreds of commands that they start all of the gateway.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A shell starts what runs in its background deaf to Ctrl-C, and so would be every child that a test interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "TMPDIR" not in os.environ and _fits_in_memory(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def _fits_in_memory(folder: Path) -> bool:
    """Whether this machine can hold the tests' files in memory.

    Nobody pulls its plug, so a sync costs seconds and proves nothing: what a power cut leaves is modelled (tests/log,
    tests/node/power.py), and a process that is killed loses nothing that a file system in memory would keep.
    """
    if not os.access(folder, os.W_OK):
        return False
    room = os.statvfs(folder)
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    is_large = min(room.f_bavail * room.f_frsize, int(found[1]) * 1024 if found else 0) >= _LARGE
    return is_large and not room.f_flag & (os.ST_NOEXEC | os.ST_RDONLY)


def _is_whole(config: pytest.Config) -> bool:
    return bool(config.getoption("--campaign") or config.getoption("--whole"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is marked campaign runs in `make campaigns` only, or, with the fixture `share` or `campaign(shared=True)`,
    there as a whole; so does every property test. With --whole all of both runs, each test once.

    The longest first: beside each other the workers then end at about the same time. Of the files that take long each
    worker takes a test in turn: some wait nearly all of their time, others need a processor, and so both go on at once.
    """
    chosen = [item for item in items if config.getoption("--whole") or _belongs(item, config.getoption("--campaign"))]
    if each := config.getoption("--each"):
        chosen = _spread(chosen, each)
    kept = set(chosen)
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    places = _places(chosen) if hasattr(config, "workerinput") else {}
    items[:] = sorted(chosen, key=lambda item: _order(item, places.get(item, 0.0)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What pytest makes of thousands of tests stays, and is no garbage: a node of a test collects at each poll, and
    looked through all of it for nine tenths of its time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """In the order above; a file's tests go to one worker where they share something that is made once.

    Not by xdist's groups: it writes them where pytest 9.2 does not look, and every worker made its own.
    """
    from xdist.scheduler import LoadScopeScheduling
    from xdist.workermanage import WorkerController

    class Groups(LoadScopeScheduling):
        _has_long: set[WorkerController] = set()

        def _assign_work_unit(self, node: WorkerController) -> None:
            """A worker is always given its next test before it begins one: behind a long one the shortest of all, or
            that would be a long one that waits for another while other workers have nothing left."""
            if node in self._has_long:
                self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
            self._has_long ^= {node}
            super()._assign_work_unit(node)

        def _split_scope(self, nodeid: str) -> str:
            path = nodeid.partition("::")[0]
            return path if _makes_something_once(ROOT / path) else nodeid

    config.option.loadscopereorder = False
    return Groups(config, log)


@cache
def _makes_something_once(path: Path) -> bool:
    return 'scope="module"' in path.read_text()


def _spread(items: list[pytest.Item], each: int) -> list[pytest.Item]:
    """At most `each` tests of a folder, from its first to its last."""
    folders: dict[Path, list[pytest.Item]] = {}
    for item in items:
        folders.setdefault(item.path.parent, []).append(item)
    return [item for found in folders.values() for item in found[:: -(-len(found) // each)]]


def _order(item: pytest.Item, place: float) -> tuple[int, bool, float]:
    mark = item.get_closest_marker("campaign")
    is_short = not _LONG.intersection(item.path.parts)
    return -mark.kwargs.get("minutes", 1) if mark else 0, is_short, 0.0 if is_short else place


def _places(items: list[pytest.Item]) -> dict[pytest.Item, float]:
    """Where in its file a test stands, from 0 to 1; at its beginning where the file's tests stay together."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    return {
        item: 0.0 if _makes_something_once(path) else number / len(found)
        for path, found in files.items()
        for number, item in enumerate(found)
    }


def _belongs(item: pytest.Item, is_campaign: bool) -> bool:
    mark = item.get_closest_marker("campaign")
    if is_campaign:
        return mark is not None or is_hypothesis_test(getattr(item, "obj", None))
    return mark is None or mark.kwargs.get("shared", False) or "share" in getattr(item, "fixturenames", ())


@pytest.fixture(autouse=True)
def memory_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway in the test's own process counts what came since the test began: thousands of tests before it, and
    the tools that run them, have as much memory as a gateway may have."""
    before = memory.resident_bytes()
    real = memory.resident_bytes
    monkeypatch.setattr(memory, "resident_bytes", lambda: real() - before)


@pytest.fixture
def share(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """share(part, whole): how many cases of a long test to run, `part` in `make test`, `whole` in `make campaigns`."""
    return lambda part, whole: whole if _is_whole(request.config) else part


@pytest.fixture
def urgent() -> Iterator[None]:
    """For what has to happen within a time: this test and the processes that it starts go before everything else on
    this machine, where it is allowed, so that the time is theirs and not that of the tests beside them."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture(scope="session")
def micropython() -> Path:
    """The executable of the virtual board UNIX; built when it is not in the cache, skipped where it cannot be."""
    if given := os.environ.get("WAYSIDE_MICROPYTHON"):
        return Path(given)
    made = subprocess.run([sys.executable, ROOT / "tools" / "virtual_board.py"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"MicroPython cannot be built here: {made.stderr.strip().splitlines()[-1]}")
    return Path(made.stdout.strip())


@pytest.fixture
def run_in_micropython(micropython: Path, tmp_path: Path) -> Callable[[Path], None]:
    """Runs a module of plain `test_*` functions in the VM, with the heap of a board; fails with what it printed."""

    def run(module: Path) -> None:
        environment = os.environ | {
            "MICROPYPATH": f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}",
            "WAYSIDE_SCRATCH": str(tmp_path),
        }
        words = [micropython, "-X", "heapsize=1m", ROOT / "tests" / "mp_runner.py", module]
        # Each ends by itself: the limit is for one that hangs, on a machine that may have twenty others to run.
        ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=1800)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "ok test_" in ran.stdout

    return run


@pytest.fixture
def vectors() -> Path:
    """Test data written by others; skipped where it is not beside the project."""
    if not VECTORS.is_dir():
        pytest.skip("../shared/vectors is not here")
    return VECTORS
