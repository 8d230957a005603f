"""The broker of the demo carries what the demo needs."""

import asyncio
import logging
from pathlib import Path

import pytest
from north.site import SITE, Site
from north.test_mqtt import account_of, check_whole, forwarder
from waiting import running, until
from wayside.north.embedded import embedded_broker
from wayside.receiver.receive import Receiver

pytest.importorskip("amqtt", reason="the extra `demo` is not installed")


def test_carries_batches_from_the_log_to_the_account_quietly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        site = Site(tmp_path)
        account = account_of(site)
        async with embedded_broker() as broker:
            assert broker.host == "127.0.0.1"
            receiver = Receiver(broker, SITE, account)
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
