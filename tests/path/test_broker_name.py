"""A broker that a node knows by name: look-ups that nobody answers hold nothing up, and a lost name server is no loss.

The real node in its VM with a watchdog of a second, a real broker, and a name server that falls silent or goes away.
"""

import asyncio
import json
from pathlib import Path

import pytest
from north.mosquitto import PROGRAM, Mosquitto
from service.name_server import NameServer
from waiting import until
from wayside.lab import demo

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no mosquitto; install the Debian package mosquitto")

ROOT = Path(__file__).parents[2]


async def listen(server: NameServer) -> int:
    """The port on which it answers."""
    loop = asyncio.get_running_loop()
    server._transport, _ = await loop.create_datagram_endpoint(lambda: server, ("127.0.0.1", 0))
    return int(server._transport.get_extra_info("sockname")[1])


def test_names_are_asked_for_while_the_node_works(tmp_path: Path, micropython: Path):
    async def scenario() -> None:
        server = NameServer()
        server.is_silent = True
        port = await listen(server)
        text = (ROOT / "boards" / "UNIX" / "board.py").read_text()
        board = tmp_path / "board"
        board.mkdir()
        (board / "board.py").write_text(f"{text}\ndef name_servers():\n    return [('127.0.0.1', {port})]\n")
        with Mosquitto(tmp_path) as broker:
            link = {"mqtt": f"mqtt://broker.test:{broker.port}", "topic": "wayside/test.example/nodes/node-1"}
            door = {"kind": "digital", "port": str(tmp_path / "door"), "name": "door"}
            config = {
                "node": "node-1", "state": str(tmp_path / "state"), "gateway": "5" * 64, "link": link,
                "watchdog_ms": 1000, "sensors": {"device": "box", "report_ms": 1000, "list": [door]},
            }  # fmt: skip
            (tmp_path / "node.json").write_text(json.dumps(config))
            log = tmp_path / "node.log"
            words: list[str | Path] = [micropython, "-m", "wayside_node", "--config", tmp_path / "node.json"]
            places = {"MICROPYPATH": f".frozen:{ROOT / 'firmware'}:{board}"}
            node = demo.Process("node", words, log, places)
            broker_log = tmp_path / f"mosquitto-{broker.port}.log"

            def connections() -> int:
                return broker_log.read_text().count(" connected from ")

            await node.start()
            try:
                # Longer than the watchdog's patience: a process that it bites would be gone.
                await until(lambda: "mqtt: broker.test: no name server knows broker.test" in log.read_text(), "a word")
                segments = list((tmp_path / "state" / "journal" / "box").glob("*.seg"))
                assert segments and sum(each.stat().st_size for each in segments) > 200, "no packs were made meanwhile"
                server.is_silent = False
                await until(lambda: connections() == 1, "the broker welcomes the node")
                server.close()
                await asyncio.to_thread(broker.stop)
                await asyncio.to_thread(broker.start)
                await until(lambda: connections() == 2, "the node comes back to where the broker was")
            finally:
                await node.stop()

    asyncio.run(scenario())
