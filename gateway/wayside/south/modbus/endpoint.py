"""The links that a site file's endpoints name (wayside.net.endpoint)."""

import contextlib
import random
from collections.abc import AsyncIterator

from wayside.net.endpoint import PLAIN, Endpoint, Manners, SerialEndpoint, TcpEndpoint, parse

from .link import ModbusLink, SerialLink, TcpLink

_SERIAL_S, _TCP_S = 0.5, 1.5  # not shorter than what a Bus waits for; who looks once has no second poll


def usual_timeout_s(link: ModbusLink) -> float:
    """How long a device on this line may take to answer, where nothing is known of it."""
    return _SERIAL_S if link.character_us else _TCP_S


def open_link(endpoint: str, manners: Manners = PLAIN) -> ModbusLink:
    """As `link_to`, of an endpoint as it is written; ValueError says what to write instead."""
    return link_to(parse(endpoint), manners)


def link_to(endpoint: Endpoint, manners: Manners = PLAIN) -> ModbusLink:
    """The link, not yet connected, of `endpoint`."""
    match endpoint:
        case TcpEndpoint(host, port, is_rtu):
            # A random start: a connection made anew does not take up the numbers of the one before.
            return TcpLink(host, port, is_rtu, random.randrange(0x10000), manners)
        case SerialEndpoint(path, baud, parity, stop):
            return SerialLink(path, baud, parity, stop, manners)


@contextlib.asynccontextmanager
async def connected(endpoint: Endpoint, manners: Manners = PLAIN) -> AsyncIterator[ModbusLink]:
    """The connected link of `endpoint`, for a command that has it to itself; OSError when there is no connection.

    However the command ends, the line is left with no answer under way.
    """
    link = link_to(endpoint, manners)
    await link.open()
    try:
        yield link
    finally:
        await link.settle()
        link.close()
