"""A node in its VM and the real gateway, each by its own way on one broker."""

import asyncio
import json
from pathlib import Path

from waiting import PATIENCE_S
from wayside import profiles
from wayside.evidence.bundle import read_bundle, write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.note import ED25519, NoteKey
from wayside.evidence.verify import verify_bundle
from wayside.lab import demo
from wayside.log import LogReader
from wayside.profiles.node import for_node
from wayside.trust.keys import load, load_or_create

TOPIC = "wayside/test.example/nodes/node-1"
SITE_FILE = """
[site]
name = "test.example"
[[node]]
name = "node-1"
port = "{broker}"
{more}
public_key = "{public}"
devices = ["meter-1"]
"""


class Site:
    """Node and gateway on one broker, each by its own way."""

    def __init__(
        self,
        folder: Path,
        machine: Path,
        meter_line: str,
        link: dict[str, object],
        board: Path | None = None,
        **more: str,
    ):
        """board: a folder with a module `board`, the virtual one when None; `more` goes to the node's environment."""
        self.folder = folder
        self.link = link
        (folder / "state").mkdir()
        config = {
            "node": "node-1",
            "gateway": load_or_create(folder / "state" / "identity.key").public.hex(),
            "state": str(folder / "node"),
            "journal_bytes": 1 << 20,  # more than the cuts hold up
            "link": {"topic": TOPIC, **link},
            "meters": [
                {
                    "device": "meter-1",
                    "port": meter_line,
                    "baud": 115_200,
                    "unit": 1,
                    "poll_ms": 100,
                    "report_ms": 200,
                    "profile": for_node(profiles.load("eastron-sdm630"), ("voltage_l1", "energy_active_import")),
                }
            ],
        }
        (folder / "node").mkdir()
        path = folder / "node.json"
        path.write_text(json.dumps(config))
        root = Path(__file__).parents[2]
        places = f".frozen:{root / 'firmware'}:{board or root / 'boards' / 'UNIX'}"
        words: list[str | Path] = [machine, "-m", "wayside_node", "--config", path]
        self.node = demo.Process("node", words, folder / "node.log", {"MICROPYPATH": places, **more})
        self.gateway: demo.Process

    async def start(self, broker: str, more: str = "") -> None:
        public = await demo.node_public_key(self.node)
        path = self.folder / "site.toml"
        path.write_text(SITE_FILE.format(broker=broker, public=public, more=more))
        words: list[str | Path] = [demo.sys.executable, "-m", "wayside", "run", path]
        self.gateway = demo.Process("gateway", words, self.folder / "gateway.log")
        await self.gateway.start()
        await self.node.start()

    async def stop(self) -> None:
        await self.node.stop()
        await self.gateway.stop()

    def packs(self) -> int:
        try:
            log = LogReader(self.folder / "state" / "log")
        except Exception:  # not begun yet
            return 0
        places = [place for chain, place in log.chain_heads().items() if chain.device == "meter-1"]
        log.close()
        return places[0].sequence + 1 if places else 0

    async def until_packs(self, count: int) -> None:
        async with asyncio.timeout(5 * PATIENCE_S):
            while self.packs() < count:
                await asyncio.sleep(0.05)

    def judge(self) -> dict[str, str]:
        log = LogReader(self.folder / "state" / "log")
        write_bundle(self.folder / "all", log)
        log.close()
        trust = Trust.in_key(NoteKey(log.origin, ED25519, load(self.folder / "state" / "log.key").public))
        holds, findings = verify_bundle(read_bundle(self.folder / "all"), trust)
        assert holds, findings
        assert "wasn't retrieved" not in (self.folder / "node.log").read_text()
        return {each.subject: each.text for each in findings}
