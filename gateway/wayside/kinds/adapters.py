"""What an `[[adapter]]` asks for: its source, and what it uses of `intake` and `north`. Between them."""

import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from wayside.intake.report import Reporter
from wayside.kinds.core import Core
from wayside.net.far_side import FarSideError
from wayside.net.mqtt.inlet import TooLarge
from wayside.net.mqtt.session import LARGEST_RECEIVED, MqttSession
from wayside.parts.part import Part
from wayside.profiles.node import aggregate_kind
from wayside.south import adapter
from wayside.text.complaints import Complaints

_logger = logging.getLogger(__name__)


def make(settings: adapter.AdapterTable, core: Core) -> Part:
    """OSError or SiteFileError: a certificate or a file of secrets cannot be used."""
    # A source says when it has something, not how often: reports are made by time, and none by a number of polls.
    reporter = partial(Reporter, aggregate_kind, sys.maxsize)
    if settings.url is None:
        return adapter.make(settings, core, reporter, _no_broker)
    certificates = core.clients.certificates(settings.title(), settings)
    connect = core.clients.session(settings.url, settings, certificates, "", LARGEST_RECEIVED)
    session = partial(_session, connect, partial(Complaints(_logger).say, settings.title()))
    return replace(adapter.make(settings, core, reporter, session), things=(certificates,))


@asynccontextmanager
async def _session(
    connect: Callable[[Callable[[TooLarge], None]], MqttSession], on_too_large: "partial[None]"
) -> AsyncIterator[MqttSession]:
    try:
        async with connect(on_too_large) as session:
            yield session
    except FarSideError as error:  # of which south knows nothing
        raise OSError(str(error)) from None


@asynccontextmanager
async def _no_broker() -> AsyncIterator[MqttSession]:
    raise OSError("this adapter's table has no broker")
    yield
