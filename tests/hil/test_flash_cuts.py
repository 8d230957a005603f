"""wayside flash when something is wrong with the board: full, spoilt, or pulled out in the middle of a step."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from wayside.flash import steps
from wayside.flash.console import ConsoleError
from wayside_hil.wayside.gateway import KEY
from wayside_hil.wayside.meter_node import MeterNode, configuration
from wayside_wire import selftest

# Files of ever smaller sizes, until not even a small one finds room.
FILL = """
import os
os.mkdir('/fill')
for size in (65536, 4096, 1024, 256):
    while True:
        path = '/fill/%d' % len(os.listdir('/fill'))
        try:
            with open(path, 'wb') as file:
                for _ in range(size // 256):
                    file.write(bytes(256))
        except OSError:
            break
"""


@pytest.fixture
def node(image: Path) -> Iterator[MeterNode]:
    """A bare board at its prompt."""
    with MeterNode(image) as node:
        node.repl.wait(b">>> ")
        node.repl.enter()
        yield node


def all_steps(node: MeterNode, folder: Path) -> list[selftest.SelfTestCheck]:
    steps.configure(node.repl, "/node.json", configuration(), KEY.public)
    proven = steps.prove(node.repl, "/node.json", "RP2040_METER")
    return steps.test(node.repl, "/node.json", proven.public, folder, "node-1")


@pytest.mark.campaign
def test_a_cable_pulled_out_at_any_step_loses_nothing(
    node: MeterNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: Callable[[int, int], int]
) -> None:
    points = share(2, 6)
    send = node.repl.send
    sent, cut_at = 0, 0

    def count(data: bytes) -> None:
        nonlocal sent
        sent += 1
        if sent == cut_at:
            node.cut_power()
            raise ConsoleError("the board is gone")
        send(data)

    monkeypatch.setattr(node.repl, "send", count)
    assert all(check.good for check in all_steps(node, tmp_path))
    whole = sent
    public = steps.prove(node.repl, "/node.json", "RP2040_METER").public
    node.gateway.enrol(public, configuration())
    sent = 0
    for point in range(points):
        cut_at = 1 + point * (whole - 1) // (points - 1)
        with pytest.raises((ConsoleError, steps.StepError), match="the board is gone"):
            all_steps(node, tmp_path)
        cut_at = 0
        node.start()
        node.packs(len(node.gateway.packs) + 1)  # it boots, and works with the configuration of before
        node.repl.enter()
        assert json.loads(node.repl.run("print(open('/node.json').read())"))["node"] == "node-1"
        assert steps.prove(node.repl, "/node.json", "RP2040_METER").public == public
        sent = 0
    assert [check for check in all_steps(node, tmp_path) if not check.good] == []


@pytest.mark.campaign
def test_a_full_file_system_and_spoilt_files_are_named(node: MeterNode, tmp_path: Path) -> None:
    repl = node.repl
    assert all(check.good for check in all_steps(node, tmp_path))
    repl.run(FILL, 120)
    large = configuration()
    large["meters"] = [large["meters"][0] | {"device": f"meter-{unit}", "unit": unit} for unit in range(1, 5)]
    with pytest.raises(steps.StepError, match="file system is full"):
        steps.configure(repl, "/node.json", large, None)
    proven = steps.prove(repl, "/node.json", "RP2040_METER")  # what was there still holds
    bad = [check for check in steps.test(repl, "/node.json", proven.public, tmp_path, "node-1") if not check.good]
    assert [check.name for check in bad] == ["flash"]
    repl.run("import os\nfor name in os.listdir('/fill'):\n os.remove('/fill/'+name)")
    assert all(check.good for check in all_steps(node, tmp_path))
    for name in ("node.key", "node.key.copy"):
        repl.write_file("/state/" + name, b"short")
    with pytest.raises(steps.StepError, match=r"node.key is damaged"):
        steps.prove(repl, "/node.json", "RP2040_METER")
    repl.write_file("/node.json", b"nothing")
    with pytest.raises(steps.StepError, match=r"/node.json: is not JSON"):
        steps.prove(repl, "/node.json", "RP2040_METER")
