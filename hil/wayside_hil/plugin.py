"""The pytest plug-in: options, reports, retries; with pytest-embedded's also its service `hil` (fixtures.py)."""

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from _pytest.runner import runtestprotocol
from pytest_embedded import utils

from . import coverage, html
from .trace import Trace
from .world import World

_SERVICE = "hil"


class OnBench(NamedTuple):
    """A board of a test, for the reports. folder: where what the test leaves is kept."""

    name: str
    world: World
    trace: Trace
    console: Path
    folder: Path


BENCH = pytest.StashKey[list[OnBench]]()
_AT_PROMPT = (
    "it is at its prompt: its program has ended. What it died of in the first tenth of a second, before USB was up,"
    ' says dut.repl.enter(); dut.repl.run("import main")'
)
_HTML = pytest.StashKey[html.Page]()


def keep(item: pytest.Item, name: str, world: World, console: Path, folder: Path, trace: Trace | None = None) -> None:
    """From now on the reports of this test have this board's console and wave forms."""
    trace = trace or Trace()
    trace.watch(world)
    item.stash.setdefault(BENCH, []).append(OnBench(name, world, trace, console, folder))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "wayside-hil: boards on a bench")
    group.addoption("--image", help="the program, where --app-path has Python files only: .uf2, .elf or .bin")
    group.addoption("--bench", help="the bench file (default: bench.toml in the folder of --app-path or of the test)")
    group.addoption("--unix", help="MicroPython's unix port, for --target unix (default: micropython on the PATH)")
    group.addoption("--seed", type=int, default=1, help="of the emulated board's random numbers")
    group.addoption("--vcd", metavar="DIR", help="keep every test's wave forms in this folder, not only of failed ones")
    group.addoption("--firmware-coverage", metavar="FILE", help="lines of the firmware that ran (unix target), as LCOV")
    group.addoption("--bench-html", metavar="FILE", help="a page with every test's console and wave forms")
    group.addoption("--bench-retries", type=int, default=0, metavar="N", help="tries more of a test on a real board")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_board: this test's board is a real one: --bench-retries counts for it")
    if config.pluginmanager.hasplugin("pytest_embedded"):
        # pytest-embedded uses it in every test, whoever runs it.
        config.addinivalue_line("filterwarnings", "ignore:record_xml_attribute is")
        _insist_on_service(config)
        from . import fixtures

        # A table of pytest-embedded's with no way in for others; it imports what stands here, and looks no further.
        utils.SERVICE_LIB_NAMES[_SERVICE] = "wayside-hil"
        # After all plug-ins of entry points: of fixtures of one name the last one counts.
        config.pluginmanager.register(fixtures, "wayside_hil.fixtures")
    if (notes := notes_of(config)) and not hasattr(config, "workerinput"):
        notes.unlink(missing_ok=True)
        _folders(notes).write_text("")
    if config.getoption("--bench-html") and not hasattr(config, "workerinput"):
        config.stash[_HTML] = html.Page(Path(config.getoption("--bench-html")))


def _insist_on_service(config: pytest.Config) -> None:
    """Without the service pytest-embedded gives another `dut`, and waits a minute at an empty console."""
    asked = [f"--{name}" for name in ("image", "bench", "unix") if config.getoption(name)]
    if asked and _SERVICE not in (config.getoption("embedded_services") or ""):
        raise pytest.UsageError(
            f"{asked[0]} is for the service hil: write --embedded-services hil, or addopts = --embedded-services hil in"
            " pytest.ini beside the tests. Where that is written already, write --image=FILE: behind a space pytest"
            " takes FILE for a test when it looks for pytest.ini"
        )


_UNLIKE_COUNT = "multi values"  # of pytest-embedded's error; a test may set its count itself, so it is not seen before


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    """An option for several boards without as many boards is told with what to write."""
    try:
        return (yield)
    except ValueError as error:
        if _UNLIKE_COUNT not in str(error):
            raise
        pytest.fail(_for_several(request.config), pytrace=False)


def _for_several(config: pytest.Config) -> str:
    for name, value in vars(config.option).items():
        if isinstance(value, str) and "|" in value:
            boards = value.count("|") + 1
            option = f"--{name.replace('_', '-')}={value}"
            return f"{option} is for {boards} boards: write --count {boards} too, or one value for all boards"
    return "an option has another number of values between | than there are boards; write as many as --count says"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """An emulated board fills a core, so `-n auto` is as many as there are for this process."""
    return len(os.sched_getaffinity(0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """JUnit's properties of a test, its wave forms, and its part of the page."""
    report = yield
    if report.when == "call":
        boards = item.stash.get(BENCH, [])
        shown = [_kept(item, board, report) for board in boards]
        if item.config.getoption("--bench-html"):
            report.hil_boards = [_shown(board) for board in boards]
        if shown and report.failed:
            lines = [path for paths in shown for path in paths]
            lines += [f"{board.name}: {_AT_PROMPT}" for board in boards if is_at_prompt(_said(board))]
            report.sections.append(("what the board did", "\n".join(lines)))
    return report


def _shown(board: OnBench) -> dict[str, Any]:
    """Its part of the page."""
    seconds = board.world.now / 1e9
    return {"name": board.name, "console": _said(board), "picture": board.trace.svg(), "seconds": seconds}


def _kept(item: pytest.Item, board: OnBench, report: pytest.TestReport) -> list[str]:
    """Files of this board's trace, where they are wanted."""
    item.user_properties.append((f"{board.name}.seconds", f"{board.world.now / 1e9:.3f}"))
    item.user_properties.append((f"{board.name}.console", str(board.console)))
    folder = item.config.getoption("--vcd")
    if not folder and not report.failed:
        return []
    if folder:
        place = Path(folder) / f"{_file_name(item)}-{board.name}.vcd"
        place.parent.mkdir(parents=True, exist_ok=True)
    else:
        place = board.folder / f"{board.name}.vcd"
    board.trace.write_vcd(place)
    picture = place.with_suffix(".svg")
    picture.write_text(board.trace.svg())
    item.user_properties.append((f"{board.name}.vcd", str(place)))
    return [str(place), str(picture), str(board.console)]


def _file_name(item: pytest.Item) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "_" for each in item.nodeid)


def is_at_prompt(said: str) -> bool:
    """Whether MicroPython's prompt is the last that a console has said."""
    return said.rstrip().endswith(">>>")


def _said(board: OnBench) -> str:
    return board.console.read_bytes().decode(errors="replace") if board.console.exists() else ""


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if _page and (report.when == "call" or (report.when == "setup" and not report.passed)):
        _page[0].add(report)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """A real board's plugs and cables are worth another try; what is emulated does the same again."""
    tries = item.config.getoption("--bench-retries")
    if not tries or not _is_on_real_board(item):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for left in reversed(range(tries + 1)):
        item.stash[BENCH] = []
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        if not left or not any(report.failed for report in reports):
            break
        for report in reports:
            if report.failed:
                item.user_properties.append((f"try {tries - left + 1}", str(report.longrepr).splitlines()[-1][:200]))
        item._initrequest()  # type: ignore[attr-defined]
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _is_on_real_board(item: pytest.Item) -> bool:
    if item.get_closest_marker("real_board"):
        return True
    params = getattr(getattr(item, "callspec", None), "params", {})
    target = params.get("target") or item.config.getoption("--target", None) or ""
    port = params.get("port") or item.config.getoption("--port", None)
    return is_port(target) or (not target and port is not None) or target == "serial"


def is_port(target: str) -> bool:
    """Whether --target names a serial port."""
    return target.startswith("/") or "://" in target


_page: list[html.Page] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    _page[:] = [session.config.stash[_HTML]] if _HTML in session.config.stash else []


def pytest_sessionfinish(session: pytest.Session) -> None:
    for page in _page:
        page.write()
    if (named := notes_of(session.config)) and not hasattr(session.config, "workerinput"):
        folders = sorted({Path(line) for line in _folders(named).read_text().splitlines()})
        Path(session.config.getoption("--firmware-coverage")).write_text(coverage.lcov(named, folders))
        named.unlink(missing_ok=True)
        _folders(named).unlink()


def notes_of(config: pytest.Config) -> Path | None:
    """Where lines that ran are noted, by all workers; None: nobody wants to know."""
    name = config.getoption("--firmware-coverage")
    return Path(name).resolve().with_suffix(".notes") if name else None


def with_coverage(config: pytest.Config, words: list[str], folders: list[Path]) -> tuple[list[str], dict[str, str]]:
    """coverage.covered() where it is wanted, of these folders; the command as it is elsewhere."""
    notes = notes_of(config)
    if notes is None:
        return words, {}
    with _folders(notes).open("a") as file:
        file.writelines(f"{folder}\n" for folder in folders)
    return coverage.covered(words, notes, folders)


def _folders(notes: Path) -> Path:
    """The file with the folders that are reported."""
    return notes.with_suffix(".folders")
