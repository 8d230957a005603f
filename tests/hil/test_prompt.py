"""Whatever ends the application, and whenever: the prompt is there for ten minutes, then the node works again."""

import json
from pathlib import Path

import pytest
from wayside_hil.emulator import Reset
from wayside_hil.wayside.meter_node import MeterNode, configuration

S = 1_000_000_000
MS = 1_000_000
LEAST, MOST = 590 * S, 601 * S
NAP = 400 * MS  # late by less than MOST allows


def resets(node: MeterNode, since: int) -> list[Reset]:
    return [event for event in node.world.events[since:] if isinstance(event, Reset) and event.cause != "off"]


def holds_ten_minutes(node: MeterNode) -> None:
    """The prompt is there, works, and goes: ten minutes from now at most."""
    since = len(node.world.events)
    began = node.world.now
    node.repl.enter()
    assert node.repl.run("print(6 * 7)").strip() == "42"
    while not resets(node, since):  # no application, so nothing on its lines: the board may nap
        assert node.world.now < began + MOST, "it does not reset"
        node.world.show(node.board.rest(began + MOST, NAP))
    assert node.world.now - began > LEAST - 5 * S


@pytest.mark.campaign
@pytest.mark.parametrize("after_ms", [150, 300, 500, 800, 1500, 8000])
def test_ctrl_c_at_any_time_leaves_a_prompt_that_ends(image: Path, after_ms: int) -> None:
    with MeterNode(image) as node:
        node.provision(configuration())
        node.start()
        node.world.run_for(after_ms * MS)
        for _ in range(3):  # who wants the prompt types it more than once
            node.repl.send(b"\x03\x03")
            node.world.run_for(20 * MS)
        node.repl.wait(b">>> ")
        holds_ten_minutes(node)
        node.packs(1, 60 * S)


@pytest.mark.campaign
def test_a_sensor_port_that_does_not_exist_leaves_a_prompt_that_ends(image: Path) -> None:
    with MeterNode(image) as node:
        node.provision(configuration())
        wrong = configuration() | {
            "sensors": {"device": "s", "list": [{"kind": "digital", "port": "contact9", "name": "door"}]}
        }
        node.start()
        node.packs(1)
        node.repl.enter()
        node.repl.write_file("/node.json", json.dumps(wrong).encode())
        node.repl.restart()
        node.repl.wait(b"contact9: this board has")
        node.repl.wait(b">>> ")
        holds_ten_minutes(node)
