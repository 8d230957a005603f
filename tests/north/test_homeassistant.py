"""Discovery: what is announced at a real broker, and what Home Assistant makes of it.

Its own code judges where WAYSIDE_HOMEASSISTANT names a Python that has it; else its published facts do. The accounts
behind these cases: core #89288, #181712, #6705, #48851, saic-mqtt #292, docker-wyze-bridge #907 and #920,
zigbee2mqtt #105 and #3740, ESPresense #457, EMS-ESP32 #55 and #229, taptap-mqtt #33, OpenMQTTGateway #2121.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from north.mosquitto import Mosquitto, acl
from north.proxy import Proxy
from north.site import Site
from waiting import running, until
from wayside import profiles
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.north.discovery import (
    BIRTH_TOPIC,
    announcement,
    availability_topic,
    channel_of,
    config_topic,
    gateway_announcement,
    identifier,
    text_of,
)
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.homeassistant import HomeAssistant
from wayside.values.expected import Expected
from wayside_wire.bthome import MEASUREMENTS
from wayside_wire.pack import Reading

SITE = "test.example/site"
VOLTAGE = config_topic(SITE, "meter-1", "voltage_l1")
STATUS = availability_topic(SITE)
LIMITS = ForwardLimits(retry_most_s=0.05, cursor_every_s=0.01)
PEER = os.environ.get("WAYSIDE_HOMEASSISTANT")

# Home Assistant 2026.11, sensor integration: units of each device class, and the state classes of the totals.
UNITS = {
    "voltage": {"V"}, "current": {"A"}, "power": {"W"}, "apparent_power": {"VA"}, "reactive_power": {"var"},
    "frequency": {"Hz"}, "energy": {"kWh"}, "temperature": {"°C", "K"}, "humidity": {"%"}, "battery": {"%"},
    "moisture": {"%"}, "pressure": {"Pa"}, "illuminance": {"lx"}, "weight": {"kg"}, "distance": {"m"},
    "duration": {"s"}, "speed": {"m/s"}, "volume": {"m³"}, "water": {"m³"}, "gas": {"m³"}, "volume_storage": {"m³"},
    "irradiance": {"W/m²"}, "carbon_dioxide": {"ppm"}, "pm1": {"µg/m³"}, "pm25": {"µg/m³"}, "pm10": {"µg/m³"},
    "volatile_organic_compounds": {"µg/m³"}, "power_factor": {None},
}  # fmt: skip
TOTALS = {"energy", "water", "gas", "volume"}

names = st.text(min_size=1, max_size=20).filter(lambda text: text.encode(errors="ignore").decode() == text)


def about(channel: str, unit: str, device: str = "meter-1") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(announcement(f"{SITE}/log/0", device, channel, unit, 45)[1])
    return found


def every_channel() -> list[tuple[str, str]]:
    """(channel, unit) of everything that Wayside reads, and what is derived of it."""
    loaded = [profiles.load(name) for name in profiles.names()]
    read = {(field.channel, field.unit) for profile in loaded for field in profile.fields.values()}
    read |= {(row[0], row[1]) for row in MEASUREMENTS.values()}
    read |= {
        (f"channel_{number}", unit)
        for number, unit in enumerate(["V", "A", "W", "VA", "var", "Hz", "J", "vars", "VAs"])
    }
    read |= {("power_factor_l1", "/"), ("thd_voltage", "/"), ("charge", "C"), ("phase_angle", "deg"), ("x", "furlong")}
    return sorted(
        read | {(f"{channel}.{how}", unit) for channel, unit in read for how in ("min", "max", "mean", "diff")}
    )


# --- what is announced ---


def test_units_classes_and_statistics_are_those_of_home_assistants_table():
    for channel, unit in every_channel():
        made = about(channel, unit)
        of_class, state = made.get("device_class"), made.get("state_class")
        if of_class:
            assert made.get("unit_of_measurement") in UNITS[of_class], (channel, unit)
            assert (state or "total") == "total" if of_class in TOTALS else state in (None, "measurement"), channel
        assert state != "total_increasing"
        assert made["expire_after"] == 45 and made["availability_topic"] == STATUS


def test_energy_is_in_kwh_and_what_begins_anew_or_is_derived_has_no_statistics():
    assert about("energy_active_import", "J")["unit_of_measurement"] == "kWh"
    assert about("energy_active_import", "J")["state_class"] == "total"
    for channel in ("energy_today", "energy_day_export", "energy_active_import.diff"):
        assert "state_class" not in about(channel, "J"), channel


def test_the_device_that_others_are_reached_through_exists():
    gateway = json.loads(gateway_announcement(SITE)[1])["device"]["identifiers"]
    assert [about("voltage_l1", "V")["device"]["via_device"]] == gateway


@given(names, names)
def test_identifiers_are_injective_and_have_the_letters_of_a_topic(one: str, other: str):
    assert (identifier(one) == identifier(other)) == (one == other)
    assert text_of(identifier(one)) == one
    assert all(letter.isascii() and (letter.isalnum() or letter in "_-") for letter in identifier(one))


@given(names, names)
def test_a_topic_tells_its_device_and_channel(device: str, channel: str):
    assert channel_of(config_topic(SITE, device, channel)) == (device, channel)


def test_names_that_used_to_collide_do_not():
    ids = [
        about(channel, "V", device)["unique_id"]
        for device, channel in [("a.b", "c"), ("a_b", "c"), ("a", "b_c"), ("a_b_c", "d")]
    ]
    assert len(set(ids)) == 4


@pytest.mark.skipif(PEER is None, reason="WAYSIDE_HOMEASSISTANT names no Python that has Home Assistant")
def test_home_assistant_itself_takes_all_of_it():
    """Its schema, its table and its templates."""
    assert PEER
    odd = [("it's {{ 7*7 }} \"%}", "V"), ("größe\\n", "V"), ("a.b['c']", "W")]
    asked: list[tuple[str, dict[str, Any], list[str]]] = [
        ("binary_sensor", json.loads(gateway_announcement(SITE)[1]), [])
    ]
    for channel, unit in every_channel() + odd:
        messages = [{channel: {"value": 7200000}}, {channel: {"value": None}}, {"another": {"value": 1}}, {}]
        asked.append(("sensor", about(channel, unit), [json.dumps({"readings": each}) for each in messages]))
    told = subprocess.run(
        [PEER, Path(__file__).with_name("homeassistant_peer.py")], input=json.dumps(asked), text=True,
        capture_output=True, timeout=120, check=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp")},
    )  # fmt: skip
    for (_, sent, messages), (problem, rendered) in zip(asked, json.loads(told.stdout), strict=True):
        assert problem is None, (sent, problem)
        if messages:
            good, bad, *absent = rendered
            assert float(good) == {"kWh": 2, "kvarh": 2, "kVAh": 2, "Ah": 2000}.get(
                sent.get("unit_of_measurement"), 7200000
            )
            assert (bad, absent) == ("None", ["", ""]), sent


# --- at a broker ---


class Home:
    """Who listens to everything, as Home Assistant does. `said`: every message; `state`: the newest of each topic."""

    def __init__(self) -> None:
        self.said: list[tuple[str, bytes]] = []
        self.state: dict[str, bytes] = {}

    @asynccontextmanager
    async def at(self, port: int) -> AsyncIterator[MqttSession]:
        async with MqttSession(Broker("127.0.0.1", port), "") as session:
            for topic in ("homeassistant/#", "wayside/#"):
                await session.subscribe(topic)

            async def listen() -> None:
                while True:
                    message = await session.message()
                    session.acknowledge(message)
                    self.said.append((message.topic, message.payload))
                    self.state[message.topic] = message.payload

            async with running(listen()):
                yield session

    def count(self, topic: str) -> int:
        return sum(each == topic for each, _ in self.said)


def home_sink(port: int, site: Site, devices: dict[str, Expected] | None = None, **more: Any) -> Forwarder:
    return Forwarder("home", HomeAssistant(Broker("127.0.0.1", port), site, devices=devices, **more), site, LIMITS)


def test_announced_in_every_connection_and_when_home_assistant_has_started(mosquitto_folder: Path, tmp_path: Path):
    async def scenario(mosquitto: Mosquitto) -> None:
        site, home = Site(tmp_path / "log"), Home()
        forwarder = home_sink(mosquitto.port, site)
        site.packs(1)
        async with running(forwarder.run()):
            async with home.at(mosquitto.port) as session:
                await until(lambda: home.count(VOLTAGE) > 0 and home.state.get(STATUS) == b"online")
                before = home.count(VOLTAGE)
                await session.publish(BIRTH_TOPIC, b"online")
                await until(lambda: home.count(VOLTAGE) > before)
            mosquitto.stop()
            mosquitto.start()  # it has lost what it retained
            later = Home()
            await until(lambda: forwarder.status.connected)
            async with later.at(mosquitto.port):
                await until(lambda: VOLTAGE in later.state and later.state.get(STATUS) == b"online")

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto))


def test_gone_when_the_gateway_stops_or_its_link_breaks_and_back_with_it(mosquitto_folder: Path, tmp_path: Path):
    async def scenario(port: int) -> None:
        site, home = Site(tmp_path / "log"), Home()
        async with Proxy(port) as proxy, home.at(port) as session:
            async with running(home_sink(proxy.port, site).run()):
                await until(lambda: home.state.get(STATUS) == b"online")
                proxy.cut()
                await until(lambda: (STATUS, b"offline") in home.said)
                await until(lambda: home.state.get(STATUS) == b"online")
                # The will of a connection that the broker has given up only now.
                await session.publish(STATUS, b"offline", retain=True)
                await until(lambda: home.state.get(STATUS) == b"online")
            await until(lambda: home.state.get(STATUS) == b"offline")

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_what_has_left_is_cleared(mosquitto_folder: Path, tmp_path: Path):
    """Devices and channels that the site file does not have, and what a device no longer reports."""

    async def scenario(port: int) -> None:
        site, home, now = Site(tmp_path / "log"), Home(), [0.0]
        left = [
            config_topic(SITE, "meter-9", "power"),
            config_topic(SITE, "meter-1", "gone"),
            config_topic(SITE, "x", "y") + "/x",
        ]
        others = config_topic("another/site", "meter-9", "power")
        async with MqttSession(Broker("127.0.0.1", port), "") as session:
            for topic in (*left[:2], others):
                await session.publish(topic, b"{}", retain=True)
        devices = {"meter-1": Expected(10.0, frozenset({"voltage_l1", "power"}))}
        site.device.readings = [Reading("voltage_l1", "V", 1, 0, 0, "", 1), Reading("power.mean", "W", 1, 0, 0, "", 1)]
        site.packs(1)
        forwarder = home_sink(port, site, devices, clock=lambda: now[0])
        async with running(forwarder.run()), home.at(port):
            await until(lambda: all(home.state.get(topic) == b"" for topic in left[:2]))
            mean = config_topic(SITE, "meter-1", "power.mean")
            await until(lambda: bool(home.state.get(VOLTAGE) and home.state.get(mean)))
            assert json.loads(home.state[VOLTAGE])["expire_after"] == 45
            now[0] = 4000.0
            site.device.readings = site.device.readings[:1]
            site.packs(1)
            await until(lambda: home.state[mean] == b"")
            assert home.state[VOLTAGE]
        again = Home()
        async with again.at(port):
            await until(lambda: others in again.state)
            assert not set(left) & set(again.state)

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_a_broker_that_retains_nothing_is_told_again_in_each_connection(mosquitto_folder: Path, tmp_path: Path):
    async def scenario(port: int) -> None:
        site, home = Site(tmp_path / "log"), Home()
        site.packs(1)
        async with home.at(port), running(home_sink(port, site).run()):
            await until(lambda: VOLTAGE in home.state and home.state.get(STATUS) == b"online")
        assert home.count(STATUS) >= 1

    with Mosquitto(mosquitto_folder, "retain_available false") as mosquitto:
        asyncio.run(scenario(mosquitto.port))


@pytest.mark.parametrize(
    ("settings", "version"),
    [
        ([["topic readwrite wayside/#", "topic readwrite homeassistant/binary_sensor/#", "topic read #"]], 5),
        ([["topic readwrite wayside/#", "topic read #"]], 3),
        ([["topic readwrite wayside/#"]], None),
        (["max_packet_size 620"], 5),
        (["message_size_limit 550"], 5),
        (["message_size_limit 550"], 3),
        (["max_qos 0"], 5),
    ],
)
def test_an_announcement_that_is_not_taken_stops_no_report_and_is_named(
    mosquitto_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: list[Any], version: int | None
):
    """Denied, too large, or acknowledged and thrown away."""
    monkeypatch.setattr("wayside.north.announcer.ECHO_S", 0.5)
    monkeypatch.setattr("wayside.north.mqtt.ECHO_S", 0.5)

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        site.packs(3)
        sink = HomeAssistant(Broker("127.0.0.1", port, version=version), site)
        forwarder = Forwarder("home", sink, site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(4) == 0)
            if settings == ["max_qos 0"]:
                await until(lambda: sink._announcer._is_told.is_set() and not sink._announcer._untold)
            else:
                await until(lambda: "homeassistant/" in forwarder.not_announced)
        assert (forwarder.status.delivered, forwarder.status.dead_letters) == (4, 0)
        assert (forwarder.status.unproven, forwarder.status.failures) == (0, 0)

    lines = [acl(mosquitto_folder, *each) if isinstance(each, list) else each for each in settings]
    with Mosquitto(mosquitto_folder, *lines) as mosquitto:
        asyncio.run(scenario(mosquitto.port))


def test_what_is_allowed_later_is_announced_in_the_same_connection(mosquitto_folder: Path, tmp_path: Path):
    async def scenario(mosquitto: Mosquitto) -> None:
        site, home, now = Site(tmp_path / "log"), Home(), [0.0]
        forwarder = home_sink(mosquitto.port, site, clock=lambda: now[0])
        site.packs(1)
        async with running(forwarder.run()), home.at(mosquitto.port):
            await until(lambda: VOLTAGE in forwarder.not_announced)
            acl(mosquitto_folder, "topic readwrite #")
            mosquitto.reload()
            now[0] = 601.0
            site.packs(1)
            await until(lambda: VOLTAGE in home.state and not forwarder.not_announced)
            assert forwarder.status.failures == 0

    rules = acl(
        mosquitto_folder, "topic readwrite wayside/#", "topic readwrite homeassistant/binary_sensor/#", "topic read #"
    )
    with Mosquitto(mosquitto_folder, rules) as mosquitto:
        asyncio.run(scenario(mosquitto))


def test_a_broker_that_ends_the_connection_on_an_announcement_gets_the_reports_all_the_same(
    mosquitto_folder: Path, tmp_path: Path
):
    class Cutting(HomeAssistant):
        """As if the broker closed the connection on the channel's announcement."""

        @asynccontextmanager
        async def _connection(self) -> AsyncIterator[Any]:
            async with super()._connection() as lost:
                session = self._connected
                publish = session.publish

                async def cuts(topic: str, payload: bytes, retain: bool = False) -> None:
                    if topic == VOLTAGE:
                        session._driver.close()
                        session._fail("closed")
                    await publish(topic, payload, retain)

                session.publish = cuts  # type: ignore[method-assign]
                yield lost

    async def scenario(port: int) -> None:
        site = Site(tmp_path / "log")
        site.packs(1)
        forwarder = Forwarder("home", Cutting(Broker("127.0.0.1", port), site), site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(2) == 0 and forwarder.status.connected)
            assert f"{VOLTAGE}: the connection ends on it" in forwarder.not_announced
            assert forwarder.status.failures == 2 and forwarder.status.dead_letters == 0

    with Mosquitto(mosquitto_folder) as mosquitto:
        asyncio.run(scenario(mosquitto.port))
