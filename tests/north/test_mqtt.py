"""From the log through a real broker to the receiver's account, with everything breaking on the way."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from north.mosquitto import Mosquitto
from north.proxy import Proxy
from north.site import FIRST_PACK, NOW_MS, SITE, Site
from waiting import running, until
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.mqtt import PlainMqtt, VerifiableMqtt, device_topic, log_topic
from wayside.receiver.account import SiteAccount
from wayside.receiver.keys import DeviceKeys
from wayside.receiver.receive import SiteReceiver
from wayside_wire.pack import BAD, HOLDOVER, SYNCED, UNCERTAIN, UNSYNCED, Reading

QUICK = ForwardLimits(batch_entries=16, send_s=1.0, retry_most_s=0.01, cursor_every_s=0.005, replay_per_s=1e5)


def account_of(site: Site) -> SiteAccount:
    return SiteAccount(site.key, DeviceKeys({"meter-1": [site.device.key.public]}))


def check_whole(account: SiteAccount, site: Site) -> None:
    """Everything in the log has arrived, once, verified."""
    assert account.problems() == []
    assert account.entries == site.log.size
    (log,) = account.logs.values()
    assert (log.indices.first, log.indices.holes(), log.indices.end) == (0, [], site.log.size)
    assert (log.size, log.root) == (site.log.size, site.log.root)


def forwarder(site: Site, port: int, limits: ForwardLimits = QUICK) -> Forwarder:
    broker = Broker("127.0.0.1", port, connect_s=2.0)
    return Forwarder("verifiable", VerifiableMqtt(broker, site), site, limits)


async def arrives(folder: Path, broker_port: int, sender_port: int, during: Callable[[Site], None]) -> SiteAccount:
    """Forward over `sender_port` what the site writes, receive straight from the broker, until all is there."""
    site = Site(folder)
    account = account_of(site)
    receiver = SiteReceiver(Broker("127.0.0.1", broker_port), SITE, account)
    async with running(receiver.run()):
        await receiver.ready.wait()
        async with running(forwarder(site, sender_port).run()):
            site.packs(20)
            during(site)
            site.packs(20)
            await until(lambda: account.entries == site.log.size)
            await until(lambda: site.log.cursor("verifiable") == site.log.size)
    check_whole(account, site)
    site.log.close()
    return account


def test_everything_arrives_once_and_verifies(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        port = shared_mosquitto.port
        account = await arrives(tmp_path, port, port, lambda site: None)
        assert account.packs == 40
        assert account.redelivered == 0
        assert account.unknown == 0

    asyncio.run(scenario())


# A connection passes some 50 bytes of CONNECT and then PUBLISHes of about 6 kB upwards, and 11 bytes of CONNACK and
# then 4 of each PUBACK downwards: these places lie before, in and after each of them.
@pytest.mark.parametrize("up", [0, 1, 7, 14, 40, 55, 100, 1000, 3000, 7000, 20000])
def test_the_link_is_cut_on_the_way_up(shared_mosquitto: Mosquitto, tmp_path: Path, up: int) -> None:
    async def scenario() -> None:
        async with Proxy(shared_mosquitto.port) as proxy:
            proxy.cut_after_up = up
            await arrives(tmp_path, shared_mosquitto.port, proxy.port, lambda site: None)

    asyncio.run(scenario())


@pytest.mark.parametrize("down", range(1, 20))
def test_the_link_is_cut_on_the_way_down(shared_mosquitto: Mosquitto, tmp_path: Path, down: int) -> None:
    async def scenario() -> None:
        async with Proxy(shared_mosquitto.port) as proxy:
            proxy.cut_after_down = down
            account = await arrives(tmp_path, shared_mosquitto.port, proxy.port, lambda site: None)
            assert proxy.connections == 2
            if 11 <= down < 15:  # the broker has the first batch, its PUBACK is lost: it comes again
                assert account.redelivered > 0

    asyncio.run(scenario())


def test_a_half_open_link(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        account = account_of(site)
        receiver = SiteReceiver(Broker("127.0.0.1", shared_mosquitto.port), SITE, account)
        async with Proxy(shared_mosquitto.port) as proxy, running(receiver.run()):
            await receiver.ready.wait()
            sender = forwarder(site, proxy.port)
            async with running(sender.run()):
                site.packs(5)
                await until(lambda: account.packs == 5)
                proxy.passing.clear()
                site.packs(5)
                await until(lambda: sender.status.failures > 0)
                assert sender.status.last_error == "no answer within 1 s"
                proxy.passing.set()
                await until(lambda: account.packs == 10)
        check_whole(account, site)

    asyncio.run(scenario())


def test_a_flapping_link(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Proxy(shared_mosquitto.port) as proxy:
            stop = asyncio.Event()

            async def flap() -> None:
                for _ in range(25):
                    await asyncio.sleep(0.01)
                    proxy.cut()
                stop.set()

            site = Site(tmp_path)
            account = account_of(site)
            receiver = SiteReceiver(Broker("127.0.0.1", shared_mosquitto.port), SITE, account)
            async with running(receiver.run()):
                await receiver.ready.wait()
                async with running(forwarder(site, proxy.port).run(), flap()):
                    while not stop.is_set():
                        site.packs(3)
                        await asyncio.sleep(0.001)
                    await until(lambda: account.entries == site.log.size)
            check_whole(account, site)
            assert proxy.connections > 2

    asyncio.run(scenario())


def test_a_broker_that_is_down_at_start_and_restarted_later(mosquitto_folder: Path, tmp_path: Path) -> None:
    async def scenario(mosquitto: Mosquitto) -> None:
        site = Site(tmp_path / "log")
        account = account_of(site)
        # Kept sessions on both sides of a restart need the broker's disk; a receiver that is connected first does not.
        receiver = SiteReceiver(Broker("127.0.0.1", mosquitto.port), SITE, account)
        sender = forwarder(site, mosquitto.port)
        site.packs(40)
        async with running(receiver.run()):
            async with running(sender.run()):
                await until(lambda: sender.status.failures > 2)
                assert "Connection refused" in sender.status.last_error
            await asyncio.to_thread(mosquitto.start)
            await receiver.ready.wait()
            sender = forwarder(site, mosquitto.port)
            async with running(sender.run()):
                await until(lambda: account.entries == site.log.size)
                receiver.ready.clear()
                await asyncio.to_thread(mosquitto.stop)
                site.packs(5)
                await until(lambda: not sender.status.connected)
        # The receiver is there before the sender again, as one with a kept session would be.
        async with running(receiver.run()):
            await asyncio.to_thread(mosquitto.start)
            await receiver.ready.wait()
            async with running(sender.run()):
                site.packs(5)
                await until(lambda: account.entries == site.log.size)
        check_whole(account, site)

    mosquitto = Mosquitto(mosquitto_folder)
    try:
        asyncio.run(scenario(mosquitto))
    finally:
        mosquitto.stop()


def test_a_kill_between_puback_and_cursor_repeats_and_still_counts_once(
    shared_mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        account = account_of(site)
        receiver = SiteReceiver(Broker("127.0.0.1", shared_mosquitto.port), SITE, account)
        async with running(receiver.run()):
            await receiver.ready.wait()
            site.packs(10)
            never = ForwardLimits(batch_entries=16, cursor_every_s=3600)
            async with running(forwarder(site, shared_mosquitto.port, never).run()):
                await until(lambda: account.packs == 10)
                on_disk = site.log.cursor("verifiable")
                assert on_disk == 0
            site.log.set_cursor("verifiable", on_disk)  # a killed gateway would not have written it on its way out
            site.packs(5)
            async with running(forwarder(site, shared_mosquitto.port).run()):
                await until(lambda: account.packs == 15)
                await until(lambda: site.log.cursor("verifiable") == site.log.size)
        check_whole(account, site)
        assert account.redelivered == FIRST_PACK + 10
        assert account.duplicates == 0

    asyncio.run(scenario())


def test_after_an_outage_new_entries_come_first_and_all_come(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        order: list[int] = []
        account = SiteAccount(site.key, DeviceKeys(), lambda report: order.append(report.index))
        receiver = SiteReceiver(Broker("127.0.0.1", shared_mosquitto.port), SITE, account)
        async with running(receiver.run()):
            await receiver.ready.wait()
            site.packs(2000)
            slow = ForwardLimits(batch_entries=16, replay_per_s=1000.0)
            sender = forwarder(site, shared_mosquitto.port, slow)
            async with running(sender.run()):
                await until(lambda: len(order) > 16)
                site.packs(1)
                await until(lambda: FIRST_PACK + 2000 in order)
                assert len(order) < 2000, "the backlog was sent first"
                assert sender.lag(site.log.size) > 0
                await until(lambda: account.entries == site.log.size)
                await until(lambda: sender.lag(site.log.size) == 0)
        check_whole(account, site)

    asyncio.run(scenario())


# --- plain MQTT ---


async def published(site: Site, port: int, count: int, limits: ForwardLimits = QUICK) -> list[tuple[str, str]]:
    """(topic, text) of the first `count` JSON reports."""
    broker = Broker("127.0.0.1", port)
    async with MqttSession(broker, "") as listener:
        await listener.subscribe(device_topic(site.origin, "+", False))
        await listener.subscribe(device_topic(site.origin, "+", True))
        got: list[tuple[str, str]] = []
        async with running(Forwarder("plain", PlainMqtt(broker, site), site, limits).run()):
            async with asyncio.timeout(60):
                while len(got) < count:
                    message = await listener.message()
                    listener.acknowledge(message)
                    got.append((message.topic, message.payload.decode()))
            await until(lambda: site.log.cursor("plain") == site.log.size)
        return got


def test_what_waited_for_a_link_is_not_shown_as_the_present(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Home Assistant counts from when a message comes, and displays show what comes; nothing is left out."""
    site = Site(tmp_path)
    site.packs(4)
    site.ages = {1: 3600.0, 2: 61.0, 3: 59.0}
    late, live = device_topic(site.origin, "meter-1", True), device_topic(site.origin, "meter-1", False)
    got = asyncio.run(published(site, shared_mosquitto.port, 4))
    topics = {json.loads(text)["index"]: topic for topic, text in got}
    assert topics == {1: late, 2: late, 3: live, 4: live}


@pytest.mark.parametrize(
    ("quality", "waited_s", "is_late"),
    [(SYNCED, 1300, True), (SYNCED, 30, False), (HOLDOVER, 1300, True), (UNSYNCED, 1300, False)],
)
def test_a_report_that_its_node_kept_for_long_is_not_shown_as_the_present(
    shared_mosquitto: Mosquitto, tmp_path: Path, quality: int, waited_s: int, is_late: bool
) -> None:
    site = Site(tmp_path)
    site.device.quality = quality
    site.device.readings = [Reading("voltage_l1", "V", 23168, -2, 0, "", NOW_MS - 1000 * waited_s)]
    site.packs(1)
    [(topic, _)] = asyncio.run(published(site, shared_mosquitto.port, 1))
    assert topic == device_topic(site.origin, "meter-1", is_late)


def test_a_report_is_exact_json(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.device.readings = [
        Reading("voltage_l1", "V", 23168, -2, 0, "", NOW_MS + 250),
        Reading("power_active", "W", -5, -1, UNCERTAIN, "", NOW_MS + 251),
        Reading("energy_active_import", "J", 123456789012345678 * 36, 3, 0, "", NOW_MS + 250),
        Reading("frequency", "Hz", None, 0, BAD, 'no "answer"', NOW_MS + 250),
        Reading("zero", "A", 0, -3, 0, "", NOW_MS + 250),
    ]
    site.append(site.gap_entry(0, 0, 3), site.pack_entry(site.device.pack()))
    ((topic, text),) = asyncio.run(published(site, shared_mosquitto.port, 1))
    assert topic == f"wayside/{SITE}/device/meter-1"
    assert '"value": 231.68' in text
    assert json.loads(text, parse_float=Decimal) == {
        "device": "meter-1",
        "boot": 0,
        "sequence": 0,
        "time": "2026-09-21T14:13:20.250Z",
        "time_quality": "synced",
        "attested": "device",
        "log": f"{SITE}/log/0",
        "index": FIRST_PACK + 1,
        "readings": {
            "voltage_l1": {"value": Decimal("231.68"), "unit": "V", "quality": "good"},
            "power_active": {
                "value": Decimal("-0.5"),
                "unit": "W",
                "quality": "uncertain",
                "time": "2026-09-21T14:13:20.251Z",
            },
            "energy_active_import": {"value": 123456789012345678 * 36000, "unit": "J", "quality": "good"},
            "frequency": {"value": None, "unit": "Hz", "quality": "bad", "reason": 'no "answer"'},
            "zero": {"value": Decimal("0.000"), "unit": "A", "quality": "good"},
        },
    }


def test_a_report_of_a_device_without_a_clock_has_no_time(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.device.quality = UNSYNCED
    site.device.readings = [Reading("voltage_l1", "V", 1, 0, 0, "", 4321)]
    site.packs(1)
    ((_, text),) = asyncio.run(published(site, shared_mosquitto.port, 1))
    report = json.loads(text)
    assert report["since_boot_ms"] == 4321
    assert report["time_quality"] == "unsynced"
    assert "time" not in report


def test_a_devices_topic_only_moves_forward(shared_mosquitto: Mosquitto, tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.packs(200)
    got = asyncio.run(published(site, shared_mosquitto.port, 200))
    topic = f"wayside/{SITE}/device/meter-1"
    places = {where: [json.loads(text)["index"] for t, text in got if t == where] for where in (topic, f"{topic}/late")}
    assert places == {
        topic: list(range(FIRST_PACK + 184, FIRST_PACK + 200)),
        f"{topic}/late": list(range(FIRST_PACK, FIRST_PACK + 184)),
    }
    site.packs(5)
    got = asyncio.run(published(site, shared_mosquitto.port, 5))
    assert [where for where, _ in got] == [topic] * 5
    assert [json.loads(text)["sequence"] for _, text in got] == list(range(200, 205))


def test_topics() -> None:
    assert log_topic("a.example/b/log/3") == "wayside/a.example/b/log/3"
    assert device_topic("a.example/b/log/3", "m", False) == "wayside/a.example/b/device/m"
