"""pytest-embedded's service `hil`: the fixtures `dut`, `board` and `plants`; with --count, tuples of each."""

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import app as apps
from . import bench_file, plugin
from .board import Board
from .dut import BoardDut
from .emulator import MissingError
from .emulator.firmware import FirmwareError
from .plants import PlantError, Plants
from .targets import wokwi
from .targets.serial import SerialBoard
from .targets.unix import UnixBoard
from .trace import Trace
from .world import World, join

_TARGETS = ("emulated", "unix", "wokwi", "serial", "a serial port or URL")
_UNIX_MODULES = Path(__file__).resolve().parent / "unix_modules"


@pytest.fixture
def dut(request: pytest.FixtureRequest, embedded_services: Any) -> Iterator[Any]:
    """A BoardDut where the service is hil; pytest-embedded's own otherwise."""
    services = _each(embedded_services, 0) or ""
    if "hil" not in [each.strip() for each in services.split(",")]:
        yield request.getfixturevalue("dut")
        return
    count = len(embedded_services) if isinstance(embedded_services, list | tuple) else 1
    duts: list[BoardDut] = []
    try:
        for number in range(count):
            duts.append(_made(request, number, count))
        if count > 1 and not any(each.board.real_time for each in duts):
            join(*(each.world for each in duts))
        yield tuple(duts) if count > 1 else duts[0]
    finally:
        for each in duts:
            each.close()


@pytest.fixture
def board(dut: Any) -> Any:
    """The board itself: its supply, its pins, its lines."""
    return tuple(each.board for each in dut) if isinstance(dut, tuple) else dut.board


@pytest.fixture
def plants(dut: Any) -> Any:
    """What hangs on the board, by name."""
    return tuple(each.plants for each in dut) if isinstance(dut, tuple) else dut.plants


def _each(value: Any, number: int) -> Any:
    """pytest-embedded has a tuple where several boards differ, one value where they do not."""
    return value[number] if isinstance(value, list | tuple) else value


def _made(request: pytest.FixtureRequest, number: int, count: int) -> BoardDut:
    def option(name: str) -> Any:
        return _each(request.getfixturevalue(name), number)

    folder = request.getfixturevalue("tmp_path") / f"board-{number}"
    folder.mkdir()
    try:
        bench = _bench(request, Path(option("app_path")))
        image = request.config.getoption("--image")
        program = Path(image) if image else bench.image
        app = apps.find(Path(option("app_path")), option("build_dir"), program, bench.files)
        if app.left_out:
            warnings.warn(
                f"{app.folder}: not written onto the board, though its Python files mention it: "
                f"{', '.join(app.left_out)}. Name it in the bench file: [board] files = {app.left_out}",
                pytest.PytestWarning,
                stacklevel=1,
            )
        target = option("target") or ("serial" if option("port") else "emulated")
        board = _board(request, target, option("port"), app, bench, folder)
    except (apps.AppError, bench_file.BenchFileError, FirmwareError, OSError) as error:
        pytest.fail(str(error), pytrace=False)
    except MissingError as lack:
        pytest.skip(str(lack))
    try:
        return _on_bench(request, board, target, app, bench, folder, f"board-{number}" if count > 1 else "board")
    except BaseException as error:
        board.close()
        if isinstance(error, PlantError):
            pytest.fail(str(error), pytrace=False)
        raise


def _on_bench(
    request: pytest.FixtureRequest,
    board: Board,
    target: str,
    app: apps.Application,
    bench: bench_file.BenchFile,
    folder: Path,
    shown: str,
) -> BoardDut:
    """With its plants and its time, begun. PlantError."""
    world = World(board)
    if target == "wokwi":
        world.STEP_NS = wokwi.LEAST_NS
    uart = None if bench.console is None else (bench.console, bench.baud)
    made = BoardDut(world, Plants(world, bench.plants), folder / "console.log", request.node.name, uart=uart)
    made.plants.make_all()
    plugin.keep(request.node, shown, world, folder / "console.log", folder, Trace())
    _begin(made, target, app)
    return made


def _bench(request: pytest.FixtureRequest, app_path: Path) -> bench_file.BenchFile:
    if named := request.config.getoption("--bench"):
        return bench_file.load(Path(named))
    places = (app_path if app_path.is_dir() else app_path.parent, request.path.parent)
    found = next((place / "bench.toml" for place in places if (place / "bench.toml").is_file()), None)
    return bench_file.load(found) if found else bench_file.BenchFile()


def _board(
    request: pytest.FixtureRequest,
    target: str,
    port: str | None,
    app: apps.Application,
    bench: bench_file.BenchFile,
    folder: Path,
) -> Board:
    if target == "emulated":
        return apps.emulated(app, folder / "flash.bin", request.config.getoption("--seed"))
    if target == "unix":
        return _unix(request, app, folder)
    if target == "wokwi":
        if missing := wokwi.lack():
            pytest.skip(missing)
        if app.image is None:
            raise apps.AppError(f"{app.folder}: no program (.uf2, .elf, .bin) is here; name one with --image")
        diagram = request.getfixturevalue("wokwi_diagram") or app.folder / "diagram.json"
        return wokwi.WokwiBoard(Path(diagram), app.image)
    if target == "serial" and port is None:
        raise apps.AppError("--target serial: name the board's console with --port, such as /dev/ttyACM0")
    if target != "serial" and not plugin.is_port(target):
        raise apps.AppError(f"--target {target}: write {', '.join(_TARGETS)}")
    return SerialBoard(port if target == "serial" and port else target, bench.uarts, bench.switch)


def _unix(request: pytest.FixtureRequest, app: apps.Application, folder: Path) -> UnixBoard:
    machine = request.config.getoption("--unix") or shutil.which("micropython")
    if machine is None:
        pytest.skip("MicroPython's unix port is not here; name it with --unix, or install Debian's package micropython")
    if not app.files:
        raise apps.AppError(f"{app.folder}: the unix target runs Python files, and there is no main.py")
    place = folder / "files"
    place.mkdir()
    for name in {Path(name).parts[0] for name in app.files}:
        (place / name).symlink_to((app.folder / name).resolve())
    words = [str(machine), "-i", str(place / "main.py")]
    words, environment = plugin.with_coverage(request.config, words, [place])
    places = f"{place}:{place / 'lib'}:.frozen:{_UNIX_MODULES}"
    return UnixBoard(words, environment | {"MICROPYPATH": places}, place, pins=True)


def _begin(made: BoardDut, target: str, app: apps.Application) -> None:
    """A known beginning: an emulated board has just been powered up."""
    if target == "unix":
        made.board.restore_power()
    elif isinstance(made.board, SerialBoard):
        if app.files:
            made.repl.enter()
            apps.put(made.repl, app.files)
        made.start()
    elif target == "wokwi" and app.files:
        made.repl.wait(b">>> ")
        made.repl.enter()
        apps.put(made.repl, app.files)
        made.repl.restart()
