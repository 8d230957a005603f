"""`wayside flash` on the real image: from a bare board to verified packs with one command."""

import json
from pathlib import Path

import pytest
from wayside import cli
from wayside.evidence.kinds import NODE
from wayside.log import LogReader
from wayside.trust.keys import load
from wayside.trust.registry import read_keyring
from wayside_hil.wayside.console import NodeRepl
from wayside_hil.wayside.meter_node import MeterNode, configuration

SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "/dev/null"
devices = ["meter-1"]
"""


def test_one_command_makes_a_node_of_a_bare_board(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = tmp_path / "RPI-RP2"
    volume.mkdir()
    (volume / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
    (tmp_path / "site.toml").write_text(SITE)
    (tmp_path / "wanted.json").write_text(json.dumps(configuration()))
    nodes: list[MeterNode] = []

    def plug_in(_port: str, _patience_s: float) -> NodeRepl:
        """The board starts with what was copied onto its volume."""
        nodes.append(MeterNode(volume / "image.uf2"))
        nodes[0].repl.wait(b">>> ")
        nodes[0].repl.enter()
        return nodes[0].repl

    monkeypatch.setattr("wayside.cli.flash.open_board", plug_in)
    words = ["flash", "RP2040_METER", "/dev/ttyACM0", "--image", image, "--volume", volume, "--out", tmp_path]
    words += ["--config", tmp_path / "wanted.json", "--site", tmp_path / "site.toml"]
    try:
        status = cli.main([str(word) for word in words])
        said = capsys.readouterr()
        assert status == 0, said.out + said.err
        assert "bytes, the same" in said.out and "3 of 3 good; " in said.out
        log = LogReader(tmp_path / "state" / "log")
        (key,) = [each for each in read_keyring(log) if each.role == NODE]
        log.close()
        node = nodes[0]
        node.gateway.enrol(key.public, configuration())
        node.gateway.restart(load(tmp_path / "state" / "identity.key"))
        node.packs(2)
        node.gateway.check_chain()
        assert node.line.collisions == node.line.cut == 0
    finally:
        for node in nodes:
            node.close()
