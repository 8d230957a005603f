"""The broker of the demo carries what the demo needs."""

import asyncio
import logging
from pathlib import Path

import pytest
from north.site import SITE, Site
from north.test_mqtt import account_of, check_whole, forwarder
from waiting import running, until
from wayside.lab.embedded import embedded_broker
from wayside.net.far_side import Unreachable
from wayside.net.mqtt.broker import Broker
from wayside.net.mqtt.session import MqttSession
from wayside.receiver.receive import SiteReceiver

pytest.importorskip("amqtt", reason="the extra `demo` is not installed")


def test_carries_batches_from_the_log_to_the_account_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        account = account_of(site)
        async with embedded_broker() as broker:
            assert broker.host == "127.0.0.1"
            receiver = SiteReceiver(broker, SITE, account)
            async with running(receiver.run()):
                await receiver.ready.wait()
                async with running(forwarder(site, broker.port).run()):
                    for _ in range(10):
                        site.packs(30)
                        await asyncio.sleep(0.005)
                    await until(lambda: account.entries == site.log.size)
        check_whole(account, site)

    with caplog.at_level(logging.DEBUG):
        asyncio.run(scenario())
    assert [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))] == []


def test_a_broker_that_does_not_answer_to_mqtt_5_is_spoken_to_in_3_1_1():
    """amqtt, which nobody here wrote, has no answer to a CONNECT of MQTT 5."""

    async def scenario() -> None:
        async with embedded_broker() as old:
            broker = Broker(old.host, old.port, connect_s=0.5)
            for _ in range(2):
                with pytest.raises(Unreachable):
                    async with MqttSession(broker, ""):
                        pass
            async with MqttSession(broker, "") as session:
                assert session.version == 3
                assert await session.publish_and_listen("t/a", b"x", 30.0)

    asyncio.run(scenario())
