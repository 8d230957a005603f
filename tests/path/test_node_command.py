"""`wayside node ...` against a running gateway and the real node application in its VM."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from waiting import until
from wayside import cli, profiles
from wayside.evidence.entry import decode_entry
from wayside.evidence.kinds import CommandBody
from wayside.lab import demo
from wayside.lab.plant import Sdm630, answer_for, serve_pty
from wayside.lab.plant.cable import null_modem
from wayside.log import LogReader
from wayside.profiles.node import for_node
from wayside.trust.keys import load_or_create

ROOT = Path(__file__).parents[2]
SITE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "{port}"
public_key = "{public}"
devices = ["meter-1"]
"""


@asynccontextmanager
async def site(folder: Path, machine: Path) -> AsyncIterator[tuple[Path, demo.Process]]:
    """The site file of a running gateway, and its one node."""
    (folder / "state").mkdir()
    gateway_key = load_or_create(folder / "state" / "identity.key").public
    async with serve_pty(answer_for({1: Sdm630(1)}), 115_200) as bus, null_modem() as (left, right):
        profile = for_node(profiles.load("eastron-sdm630"), ("voltage_l1",))
        meter = {"device": "meter-1", "port": bus, "baud": 115_200, "unit": 1, "poll_ms": 200, "report_ms": 500}
        config = {"node": "node-1", "state": str(folder / "node"), "gateway": gateway_key.hex(), "link": {"port": left}}
        (folder / "node.json").write_text(json.dumps(config | {"meters": [meter | {"profile": profile}]}))
        places = f".frozen:{ROOT / 'firmware'}:{ROOT / 'boards' / 'UNIX'}"
        words: list[str | Path] = [machine, "-m", "wayside_node", "--config", folder / "node.json"]
        node = demo.Process("node", words, folder / "node.log", {"MICROPYPATH": places})
        path = folder / "site.toml"
        path.write_text(SITE.format(port=right, public=await demo.node_public_key(node)))
        gateway = demo.Process("gateway", [demo.sys.executable, "-m", "wayside", "run", path], folder / "gateway.log")
        try:
            await gateway.start()
            yield path, node
        finally:
            await node.stop()
            await gateway.stop()


def test_a_node_is_looked_into_configured_and_started_again(
    tmp_path: Path, micropython: Path, capsys: pytest.CaptureFixture[str]
):
    async def typed(*words: str | Path) -> tuple[int, str, str]:
        status = await asyncio.to_thread(cli.main, ["node", *map(str, words)])
        said = capsys.readouterr()
        return status, said.out, said.err

    async def listed(path: Path, text: str) -> None:
        async with asyncio.timeout(60):
            while text not in (await typed("list", path))[1]:
                await asyncio.sleep(0.1)

    async def scenario() -> None:
        async with site(tmp_path, micropython) as (path, node):
            # A node that starts before its gateway is known by name only until its next hello, two minutes later.
            await listed(path, "  never heard")
            await node.start()
            await listed(path, "UNIX")
            status, out, _ = await typed("list", path)
            assert status == 0 and "NO KEY" not in out and "PORT CLOSED" not in out
            status, out, _ = await typed("info", path, "node-1")
            assert status == 0 and "commands done" in out
            status, out, err = await typed("selftest", path, "node-1")
            assert status == 0, out + err
            assert "good    signature" in out and "good    meter-1      1 of 1 good; voltage_l1 2" in out
            status, out, _ = await typed("config", path, "node-1")
            assert json.loads(out) == json.loads((tmp_path / "node.json").read_text())
            new = tmp_path / "new.json"
            new.write_text("{}")
            status, _, err = await typed("config", path, "node-1", "--set", new)
            assert status == 1 and "node: is missing" in err
            new.write_text(json.dumps(json.loads(out) | {"holdover_ms": 5000}, indent=1))
            status, out, err = await typed("config", path, "node-1", "--set", new)
            assert status == 0 and "wayside node reboot" in out, err
            assert json.loads((tmp_path / "node.json").read_text())["holdover_ms"] == 5000
            assert (await typed("log", path, "node-1"))[0] == 0
            assert (await typed("reboot", path, "node-1"))[0] == 0
            async with asyncio.timeout(60):
                assert await node.ended() == 3
            trial = tmp_path / "node.json.trial"
            assert trial.exists()
            await node.start()
            await until(lambda: not trial.exists(), "the gateway commands by itself, so the configuration is kept")
            status, _, err = await typed("info", path, "node-9")
            assert status == 1 and "no node node-9; there are: node-1" in err

    asyncio.run(scenario())
    log = LogReader(tmp_path / "state" / "log")
    bodies = [decode_entry(record.entry).body for record in log.records(0, log.size)]
    log.close()
    commands = [(body.what, body.outcome) for body in bodies if isinstance(body, CommandBody)]
    assert [what for what, _ in commands] == ["selftest", "config use", "config use", "reboot"]
    assert [outcome == "done" for _, outcome in commands] == [True, False, True, True]
    status = cli.main(["node", "list", str(tmp_path / "site.toml")])
    assert status == 1 and "no gateway runs" in capsys.readouterr().err
