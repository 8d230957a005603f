"""Discovery: each channel is announced, retained, before its first report, at a real broker."""

import asyncio
import json
from pathlib import Path

from north.mosquitto import Mosquitto
from north.site import Site
from waiting import running, until
from wayside.north.broker import Broker
from wayside.north.forward import Forwarder
from wayside.north.homeassistant import HomeAssistant, announcement
from wayside.north.session import Session


def test_every_channel_is_announced_and_stays_announced(mosquitto_folder: Path, tmp_path: Path):
    site = Site(tmp_path / "log")

    async def scenario(port: int) -> list[str]:
        broker = Broker("127.0.0.1", port)
        forwarder = Forwarder("home", HomeAssistant(broker, site), site)
        site.packs(3)
        async with running(forwarder.run()):
            await until(lambda: forwarder.status.delivered == site.log.size)
        found = []
        async with Session(broker, "") as later:
            await later.subscribe("homeassistant/#")
            async with asyncio.timeout(30):
                message = await later.message()
            found.append(message.topic)
            about = json.loads(message.payload)
        assert about["device_class"] == "voltage" and about["unit_of_measurement"] == "V"
        assert about["state_topic"] == "wayside/test.example/site/device/meter-1"
        assert about["value_template"] == "{{ value_json.readings['voltage_l1'].value }}"
        return found

    with Mosquitto(mosquitto_folder) as mosquitto:
        topics = asyncio.run(scenario(mosquitto.port))
    assert topics == ["homeassistant/sensor/wayside_test_example_site_meter-1/voltage_l1/config"]


def test_energy_is_a_total_and_what_is_derived_is_no_state_of_its_own():
    def about(channel: str, unit: str) -> dict[str, str]:
        found: dict[str, str] = json.loads(announcement("site/log/0", "meter-1", channel, unit)[1])
        return found

    assert about("energy_active_import", "J")["state_class"] == "total_increasing"
    assert "state_class" not in about("energy_active_import.diff", "J")
    assert about("level", "%")["state_class"] == "measurement" and "device_class" not in about("level", "%")
