"""A street on emulated boards: contacts, the real driver, the air, the receiving board, the gateway and its log."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from emulated import built_image
from wayside.cli import main as wayside
from wayside.trust.keys import load
from wayside_hil.scenario import lacking, play
from wayside_hil.scenario import load as load_scenario
from wayside_hil.wayside.dut import NodeDut
from wayside_hil.wayside.street_node import StreetNode, sensor_config
from wayside_hil.world import World

SCENARIOS = Path(__file__).resolve().parents[2] / "hil" / "wayside_hil" / "wayside" / "scenarios"
FILES = sorted((SCENARIOS / "street").glob("*.toml"))


class StreetDut(NodeDut):
    """The sensor of a street."""

    def provision(self, **changes: object) -> None:
        self.node.provision(sensor_config(**changes))


@pytest.fixture
def street(tmp_path: Path, request: pytest.FixtureRequest, keep_trace: Callable[[World], None]) -> Iterator[StreetDut]:
    console = tmp_path / "console.log"
    node = StreetNode(built_image("RP2040_RADIO"), tmp_path)
    keep_trace(node.world)
    made = StreetDut("RP2040_RADIO", node, console, request.node.name)
    yield made
    made.close()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_from_a_contact_to_evidence(
    street: StreetDut, file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = load_scenario(file)
    assert not lacking(scenario, street)
    play(scenario, street)
    street.node.gateway.deaf = True
    evidence = tmp_path / "street.wayside"
    assert wayside(["export", str(tmp_path / "site.toml"), str(evidence)]) == 0
    capsys.readouterr()
    judged = wayside(["verify", str(evidence), "--key", load(tmp_path / "state" / "log.key").public.hex()])
    said = capsys.readouterr().out
    assert judged == 0 and "everything holds" in said and "device-attested" in said, said
