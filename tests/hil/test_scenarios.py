"""Every scenario on every tier, and that one which does not come true fails."""

from pathlib import Path

import pexpect
import pytest
from wayside_hil.scenario import ScenarioError, lacking, load, play, read
from wayside_hil.wayside.dut import NodeDut

FILES = sorted((Path(__file__).resolve().parents[2] / "hil" / "wayside_hil" / "wayside" / "scenarios").glob("*.toml"))


# Half a minute of a processor each on the emulated board: `make campaigns`. The others play in every run.
LONG = {"clock-drift", "gateway-away", "second-master", "supply"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_scenario(dut: NodeDut, file: Path) -> None:
    scenario = load(file)
    if missing := lacking(scenario, dut):
        pytest.skip(f"{dut.kind} has no {', '.join(missing)} on this tier")
    play(scenario, dut)
    abouts = dut.node.gateway.abouts
    dut.node.world.until(lambda: bool(abouts), "the board says its name")
    assert abouts[0].board == dut.kind


def test_what_does_not_come_true_fails(dut: NodeDut) -> None:
    steps = [{"do": "provision"}, {"do": "meter dies"}, {"do": "start"}]
    good = read({"title": "t", "step": [*steps, {"readings": "good", "within_s": 4}]})
    with pytest.raises(AssertionError, match="step 4: good"):
        play(good, dut)
    console = read({"title": "t", "step": [{"console": "no such words", "within_s": 1}]})
    with pytest.raises(pexpect.TIMEOUT, match="no such words"):
        play(console, dut)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('title = "t"\n[[step]]\ndo = "meter explodes"\n', "step\\[0\\].do"),
        ('title = "t"\n[[step]]\npacks = 1\nwait_s = 2\n', "says one of"),
        ('title = "t"\nstep = []\n', "step"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_file_that_is_no_scenario_is_explained(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "scenario.toml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=why):
        load(path)
