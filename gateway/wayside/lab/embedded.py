"""The broker inside `wayside demo`: amqtt, quiet, on the loopback, without authentication. A site has its own."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wayside.net.mqtt.broker import Broker


@asynccontextmanager
async def embedded_broker() -> AsyncIterator[Broker]:
    """A running broker on a free port of 127.0.0.1; ImportError when the extra `demo` is not installed."""
    from amqtt.broker import Broker as Amqtt
    from amqtt.contexts import BrokerConfig, ListenerConfig

    # amqtt logs every connection and each of its state changes at levels that belong to a server, not to a demo.
    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind="127.0.0.1:0")},
        plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    )
    server = Amqtt(config)
    await server.start()
    try:
        yield Broker("127.0.0.1", server._servers["default"].instance.sockets[0].getsockname()[1], version=3)
    finally:
        await server.shutdown()
