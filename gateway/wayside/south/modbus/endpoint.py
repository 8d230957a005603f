"""Endpoints as a site file names them: tcp://HOST:PORT, rtu+tcp://HOST:PORT, rtu:///dev/ttyUSB0?baud=9600&parity=N."""

import contextlib
import random
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

from .link import Link, SerialLink, TcpLink

_MODBUS_PORT = 502


def open_link(endpoint: str) -> Link:
    """The link, not yet connected, of `endpoint`; ValueError says what to write instead."""
    url = urlsplit(endpoint)
    if url.scheme in ("tcp", "rtu+tcp") and url.hostname:
        # A random start: a connection made anew does not take up the numbers of the one before.
        start = random.randrange(0x10000)
        return TcpLink(url.hostname, url.port or _MODBUS_PORT, url.scheme == "rtu+tcp", start)
    if url.scheme == "rtu" and url.path:
        options = {key: values[-1] for key, values in parse_qs(url.query).items()}
        baud, parity, stop = options.pop("baud", "9600"), options.pop("parity", "N"), options.pop("stop", "")
        if options:
            raise ValueError(f'unknown option "{min(options)}" in {endpoint}; known: baud, parity, stop')
        if not baud.isdigit() or not 300 <= int(baud) <= 3_000_000:
            raise ValueError(f"baud={baud} in {endpoint}: write a number such as 9600")
        if parity not in ("N", "E", "O"):
            raise ValueError(f"parity={parity} in {endpoint}: write N, E or O")
        if stop not in ("", "1", "2"):
            raise ValueError(f"stop={stop} in {endpoint}: write 1 or 2")
        return SerialLink(url.path, int(baud), parity, int(stop or 1))
    raise ValueError(f'unknown endpoint {endpoint}: write "tcp://HOST:PORT" or "rtu:///dev/ttyUSB0?baud=9600&parity=N"')


@contextlib.asynccontextmanager
async def connected(endpoint: str) -> AsyncIterator[Link]:
    """The connected link of `endpoint`, for a command that has it to itself; OSError when there is no connection.

    However the command ends, the line is left with no answer under way.
    """
    link = open_link(endpoint)
    await link.open()
    try:
        yield link
    finally:
        await link.settle()
        link.close()
