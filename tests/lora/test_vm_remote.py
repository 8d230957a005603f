"""Configuration over the air in the real VM: node, ether, radio board, the gateway's receiver."""

import asyncio
import json
from pathlib import Path

from test_vm_lora import NODE, Site, running
from wayside.south.lora.settings import parse
from wayside_node.sensors import sds011
from wayside_wire import lora_config
from wayside_wire.lora_report import AirProfile

PROFILE = AirProfile(sds011.CHANNELS)


async def order(site: Site, wanted: dict[str, object]) -> int:
    """Its version."""
    version = site.orders.next_version(NODE)
    payload = parse(json.dumps(wanted).encode(), PROFILE, version)
    await site.orders.give(NODE, "node", version, payload, b"")
    return version


def told(site: Site) -> lora_config.AirStatus:
    status = site.orders.told(NODE)
    assert status is not None
    return status


def test_tried_kept_rolled_back_and_the_same_after_reboots(micropython: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(micropython, tmp_path) as site:
            await site.until(lambda: site.orders.told(NODE) is not None, "the first status")
            assert await order(site, {"report_s": 1, "channels": ["pm10"], "sign_every": 2, "trial": 255}) == 1
            await site.until(lambda: "version 1 is in force" in "".join(site.recorded), "the first configuration")
            last = len(site.packs)
            await site.until(lambda: len(site.packs) >= last + 2, "packs of one channel")
            assert {reading.channel for reading in list(site.packs.values())[-1].readings} == {"pm10"}

            # A spreading factor at which nobody hears the node: it comes back by itself.
            assert await order(site, {"sf": 8, "trial": 2, "report_s": 1}) == 2
            await site.until(lambda: "version 2 was tried and rolled back" in "".join(site.recorded), "the roll-back")
            assert told(site).version == 1

            # A power cut while one is on trial, and the gateway's reboot: the one before counts.
            await order(site, {"sf": 8, "trial": 255, "report_s": 1})
            await site.until(lambda: site.ether.sf_of_last == 8, "the trial")
            await site.node.kill()
            await site.reboot()
            await site.node.start()
            await site.until(lambda: "version 3 was tried and rolled back" in "".join(site.recorded), "the roll-back")
            # The log has it before the store does.
            await site.until(lambda: told(site).boot == 2, "what the second boot says of itself")
            assert told(site).version == 1

            # The whole star changes: the board follows within the trial.
            await order(site, {"sf": 8, "trial": 255, "report_s": 1, "sign_every": 2})
            await site.until(lambda: site.ether.sf_of_last == 8, "the trial")
            await site.radio.kill()
            settings = json.loads((tmp_path / "radio.json").read_text())
            settings["radio"]["sf"] = 8
            (tmp_path / "radio.json").write_text(json.dumps(settings))
            await site.radio.start()
            await site.until(lambda: "version 4 is in force" in "".join(site.recorded), "the star at SF8")
            last = len(site.packs)
            await site.until(lambda: len(site.packs) >= last + 1, "packs at SF8")
            site.check_chain()

    asyncio.run(main())
