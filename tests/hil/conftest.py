"""The bench: the real image, built once, in the emulator."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulated import built_image
from wayside_hil.dut import ConsoleFile, Node, NodeDut, TargetError, tiers
from wayside_hil.emulator import Emulator
from wayside_hil.repl import Repl, prompt
from wayside_hil.trace import Trace
from wayside_hil.wayside.meter_node import MeterNode
from wayside_hil.wayside.serial_node import SerialNode
from wayside_hil.wayside.unix_node import UnixNode
from wayside_hil.wayside.wokwi_node import WokwiNode, lack
from wayside_hil.world import World


@pytest.fixture(scope="session")
def image() -> Path:
    return built_image("RP2040_METER")


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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long scenarios on the emulated board are a campaign; on the others they are short."""
    for item in items:
        given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if "file" in given and given.get("dut", ("", ""))[1] == "emulated" and given["file"].stem in item.module.LONG:
            item.add_marker(pytest.mark.campaign)


TRACE = pytest.StashKey[Trace]()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failed test leaves what the board did, as VCD and as a picture, and its report says where."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    trace = item.stash.get(TRACE, None)
    if trace is not None and report.when == "call" and report.failed:
        folder = item.funcargs["tmp_path"]
        trace.write_vcd(folder / "trace.vcd")
        (folder / "trace.svg").write_text(trace.svg())
        report.sections.append(("what the board did", f"{folder / 'trace.vcd'}\n{folder / 'trace.svg'}"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`dut` on every tier that this machine has, or on the one that --board and --target name."""
    if "dut" not in metafunc.fixturenames:
        return
    try:
        found = tiers(metafunc.config.getoption("--board"), metafunc.config.getoption("--target"))
    except TargetError as error:
        raise pytest.Collector.CollectError(str(error)) from None
    metafunc.parametrize("dut", found, indirect=True, ids=["-".join(tier) for tier in found])


@pytest.fixture
def keep_trace(request: pytest.FixtureRequest) -> Callable[[World], None]:
    """Traces a world, for the report of this test."""

    def keep(world: World) -> None:
        trace = Trace()
        world.plugs.append(trace)
        request.node.stash[TRACE] = trace

    return keep


@pytest.fixture
def dut(request: pytest.FixtureRequest, tmp_path: Path, keep_trace: Callable[[World], None]) -> Iterator[NodeDut]:
    board, target = request.param
    console = tmp_path / "console.log"
    if target == "process":
        node: Node = UnixNode(request.getfixturevalue("micropython"), tmp_path)
    else:
        node = _board_with_a_console(request, board, target)
        node.world.plugs.append(ConsoleFile(console))
    if target == "emulated":
        keep_trace(node.world)
    made = NodeDut(board, node, console, request.node.name)
    yield made
    made.close()


def _board_with_a_console(request: pytest.FixtureRequest, board: str, target: str) -> Node:
    if target == "emulated":
        return MeterNode(request.getfixturevalue("image"))
    if target == "wokwi":
        if missing := lack():
            pytest.skip(missing)
        return WokwiNode(board, built_image(board))
    try:
        return SerialNode(target, request.config.getoption("--link"), request.config.getoption("--bus"))
    except OSError as error:
        pytest.fail(str(error), pytrace=False)
