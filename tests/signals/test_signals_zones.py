"""Detector zones by MQTT: numbers count, anything else does not, silence is said to be silence."""

import time
from functools import partial
from pathlib import Path

import pytest
from north.mosquitto import PROGRAM, Mosquitto
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from waiting import wait_until
from wayside.control.signals import zones
from wayside.control.signals.detectors import Detector
from wayside.control.signals.zones import Zones, ZonesError

RADAR = Detector("radar", -1, ("main",), topic="radar/1")
OTHER = Detector("other", -1, ("side",), topic="radar/2")
LOOP = Detector("loop", 0, ("main",))


def test_a_zone_is_what_its_last_number_says() -> None:
    now = 0.0
    seen = Zones((RADAR, LOOP), lambda: now)
    assert seen.occupied() == {"radar": None}
    seen.take("radar/1", b"3")
    assert seen.occupied() == {"radar": True}
    seen.take("radar/1", b"0")
    assert seen.occupied() == {"radar": False}
    now = zones.SILENCE_S + 0.1
    assert seen.occupied() == {"radar": None}


@pytest.mark.parametrize("payload", [b"", b"-1", b"1.5", b"nan", b" 1", b"\xff", b"1" * 5, "\u0663".encode(), b"true"])
def test_what_is_no_number_does_not_count(payload: bytes) -> None:
    seen = Zones((RADAR,), lambda: 0.0)
    seen.take("radar/1", payload)
    seen.take("radar/2", b"1")
    assert seen.occupied() == {"radar": None} and seen.refused == 2


@pytest.mark.parametrize(
    "url", ["http://x", "mqtt://", "mqtt://x:99999", "mqtt://[::1", "mqtt://me:secret@x", "mqtts://x"]
)
def test_a_broker_that_is_none_or_would_be_asked_without_what_is_written(url: str) -> None:
    with pytest.raises(ZonesError, match="mqtt://HOST:PORT") as refused:
        Zones((RADAR,), lambda: 0.0).subscribe(url)
    assert "secret" not in str(refused.value)


@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed")
def test_over_a_real_broker_that_comes_back(tmp_path: Path) -> None:
    seen = Zones((RADAR,), time.monotonic)
    publisher = Client(CallbackAPIVersion.VERSION2)
    with Mosquitto(tmp_path) as broker:
        client = seen.subscribe(f"mqtt://127.0.0.1:{broker.port}")
        publisher.connect_async("127.0.0.1", broker.port)
        publisher.reconnect_delay_set(1, 2)
        publisher.loop_start()

        def comes(count: bytes, occupied: bool) -> None:
            def came() -> bool:
                publisher.publish("radar/1", count)
                return seen.occupied()["radar"] is occupied

            wait_until(came, "the count")

        try:
            comes(b"2", True)
            broker.stop()
            broker.start()
            comes(b"0", False)
        finally:
            for each in (client, publisher):
                each.disconnect()
                each.loop_stop()


def is_heard(seen: Zones, publisher: Client) -> bool:
    publisher.publish("radar/2", b"1", retain=True)
    return seen.occupied()["other"] is not None


@pytest.mark.skipif(PROGRAM is None, reason="mosquitto is not installed")
def test_what_the_broker_retained_of_a_radar_that_is_dead_is_nothing_heard(tmp_path: Path) -> None:
    """A radar that lives and has its messages retained is heard as any, at each connection."""
    publisher = Client(CallbackAPIVersion.VERSION2)
    with Mosquitto(tmp_path) as broker:
        publisher.connect("127.0.0.1", broker.port)
        publisher.loop_start()
        publisher.publish("radar/1", b"3", qos=1, retain=True).wait_for_publish(60)
        try:
            for _ in range(2):
                seen = Zones((RADAR, OTHER), time.monotonic)
                client = seen.subscribe(f"mqtt://127.0.0.1:{broker.port}")
                # Subscribed to behind the dead one's: what is retained of that has come when this is heard.
                wait_until(partial(is_heard, seen, publisher), "the one that lives")
                assert seen.occupied() == {"radar": None, "other": True}
                client.disconnect()
                client.loop_stop()
        finally:
            publisher.disconnect()
            publisher.loop_stop()
