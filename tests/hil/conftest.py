"""The bench: the real image, built once, in the emulator."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from emulated import built_image
from wayside_hil import bench_file
from wayside_hil.emulator import Emulator
from wayside_hil.plugin import keep, with_coverage
from wayside_hil.repl import BoardRepl, prompt
from wayside_hil.targets.wokwi import lack
from wayside_hil.wayside import steps  # noqa: F401  (a node's, for the scenarios)
from wayside_hil.wayside.dut import NodeDut, NodeTier, TargetError, tiers
from wayside_hil.wayside.link_trace import link_trace
from wayside_hil.wayside.meter_node import MeterNode
from wayside_hil.wayside.serial_node import SerialNode
from wayside_hil.wayside.unix_node import UnixNode
from wayside_hil.wayside.wokwi_node import WokwiNode
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
def repl(world: World) -> BoardRepl:
    """Its prompt: without a configuration the node's application says so and ends."""
    return prompt(world)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long scenarios on the emulated board are a campaign; on the others they are short, but for one."""
    for item in items:
        given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        long = item.module.LONG if given.get("dut", ("", ""))[1] == "emulated" else {"second-master"}
        if "file" in given and given["file"].stem in long:
            item.add_marker(pytest.mark.campaign)


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
def keep_trace(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[World], None]:
    """Traces a world, for the report of this test."""

    def kept(world: World) -> None:
        keep(request.node, "board", world, tmp_path / "console.log", tmp_path, link_trace())

    return kept


@pytest.fixture
def dut(request: pytest.FixtureRequest, tmp_path: Path, keep_trace: Callable[[World], None]) -> Iterator[NodeDut]:
    board, target = request.param
    node = _node(request, board, target, tmp_path)
    keep_trace(node.world)
    made = NodeDut(board, node, tmp_path / "console.log", request.node.name)
    yield made
    made.close()


def _node(request: pytest.FixtureRequest, board: str, target: str, folder: Path) -> NodeTier:
    if target == "process":
        request.getfixturevalue("urgent")  # its plants answer in real time
        covered = partial(with_coverage, request.config)
        return UnixNode(request.getfixturevalue("micropython"), folder, covered)
    if target == "emulated":
        return MeterNode(request.getfixturevalue("image"))
    if target == "wokwi":
        if missing := lack():
            pytest.skip(missing)
        return WokwiNode(board, built_image(board))
    option = request.config.getoption
    try:
        switch = bench_file.load(Path(option("--bench"))).switch if option("--bench") else None
        return SerialNode(target, option("--link"), option("--bus"), switch)
    except (OSError, bench_file.BenchFileError) as error:
        pytest.fail(str(error), pytrace=False)
