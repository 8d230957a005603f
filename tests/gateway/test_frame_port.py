"""Ports that speak in frames: whoever opens one, why it is closed is told in the same words, and it is opened again."""

import asyncio
import fcntl
import os
import socket
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from waiting import until
from wayside.lab.plant.cable import raw_pty
from wayside.net import frame_port
from wayside.net.endpoint import SerialEndpoint
from wayside.net.frame_port import FramePort, Opening
from wayside.runtime.clock import SystemClock
from wayside.south.lora.port import RadioLink
from wayside.south.modbus import ModbusBus
from wayside.south.modbus.link import SerialLink
from wayside.south.nodes import NodeLink, Parties
from wayside.trust.keys import SoftwareKey
from wayside_wire import frame

Told = Callable[[], str]
"""Why the port is closed, "" while it is open."""


def node(path: str) -> tuple[Callable, Told]:
    async def accept(_raw: bytes, _oldest: tuple[int, int]) -> None: ...

    link = NodeLink("n", path, 9600, accept, SystemClock(), Parties(SoftwareKey(b"g" * 32), lambda: None))
    return link.run, lambda: link.port.error


def radio(path: str) -> tuple[Callable, Told]:
    async def hear(_raw: bytes, _age_ms: int) -> None: ...

    link = RadioLink("r", path, 9600, hear)
    return link.run, lambda: link.port.error


def bus(path: str) -> tuple[Callable, Told]:
    made = ModbusBus("b", SerialLink(*SerialEndpoint(path, 9600, "N", 1)[:4]), [], SystemClock(), lambda *_: None)
    return made.run, lambda: made.last_error or ("" if made.connects else "not yet")


OWNERS = pytest.mark.parametrize("owner", [node, radio, bus])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_port, "_BACKOFF_S", (0.01, 0.05))


@OWNERS
def test_why_a_port_cannot_be_had_and_that_it_is_had_in_the_end(owner: Callable, tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"

    async def scenario() -> None:
        with raw_pty() as (_, pty):
            run, told = owner(str(path))
            task = asyncio.create_task(run())
            none = f"{path} cannot be opened: there is no such port; plug it in and look at: ls /dev/serial/by-id"
            await until(lambda: told() == none, "that there is none")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            path.symlink_to(pty)
            other = os.open(path, os.O_RDWR | os.O_NOCTTY)
            fcntl.flock(other, fcntl.LOCK_EX)
            task = asyncio.create_task(run())
            why = f"another program has it; stop that one first. It is named by: sudo fuser -v {path}"
            await until(lambda: told() == f"{path} cannot be opened: {why}", "that it is taken")
            os.close(other)
            await until(lambda: not told(), "that it is open")
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())


def run_port(open_port: Callable, serve: Callable, done: Callable[[FramePort], bool]) -> FramePort:
    port = FramePort("it", open_port, Counter())

    async def scenario() -> None:
        task = asyncio.create_task(port.run(serve))
        await until(lambda: done(port), "the end of the test")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    return port


async def reads(opening: Opening) -> None:
    while True:
        await opening.messages()


def test_a_port_that_opens_and_fails_at_once_is_opened_ever_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Field accounts: a loose plug, an adapter without power: /dev/ttyUSB0 is there and nothing more."""
    monkeypatch.setattr(frame_port, "_BACKOFF_S", (0.001, 60.0))
    monkeypatch.setattr(frame_port, "Random", lambda: None)  # the ceilings themselves
    opened_s: list[float] = []

    def hung_up() -> socket.socket:
        opened_s.append(asyncio.get_running_loop().time())
        ours, theirs = socket.socketpair()
        theirs.close()
        ours.setblocking(False)
        return ours

    run_port(hung_up, reads, lambda port: port._counters["port lost"] >= 9)
    waits = [later - before for before, later in pairwise(opened_s)]
    assert all(waited >= 0.001 * 2**number for number, waited in enumerate(waits)), waits


def test_a_frame_that_came_is_a_success(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_port, "_BACKOFF_S", (0.001, 3600.0))

    def resets() -> socket.socket:
        """A board that greets and begins anew."""
        ours, theirs = socket.socketpair()
        theirs.send(frame.encode(b"hello"))
        theirs.close()
        ours.setblocking(False)
        return ours

    run_port(resets, reads, lambda port: port._counters["port lost"] >= 40)


def test_a_write_that_fails_ends_the_opening_with_its_reason() -> None:
    ours, theirs = socket.socketpair()

    async def writes(opening: Opening) -> None:
        theirs.shutdown(socket.SHUT_RD)
        opening.write(b"nobody reads")
        opening.write(b"nobody reads")
        await reads(opening)

    def only_once() -> socket.socket:
        if ours.fileno() < 0:
            raise OSError("used up")
        ours.setblocking(False)
        return ours

    port = run_port(only_once, writes, lambda port: port._counters["port not there"] > 0)
    theirs.close()
    assert port._counters["port lost"] == 1 and port.error == "used up"


def test_what_does_not_fit_is_counted_and_nobody_waits() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def writes(opening: Opening) -> None:
        for _ in range(10_000):
            opening.write(bytes(Random(1).randbytes(500)))
        opening.end()
        opening.write(b"to nobody")
        await asyncio.Event().wait()

    port = run_port(lambda: ours, writes, lambda port: port._counters["answers cut"] > 0)
    assert port._counters["answers cut"] > 1000
    theirs.close()


def test_what_a_read_of_a_gone_port_says_is_what_to_do() -> None:
    assert frame_port.gone(OSError(5, "")) == "the port is gone: its other end is gone; plug it in again"
    assert frame_port.gone(None) == frame_port.gone(OSError(5, ""))
    assert frame_port.gone(OSError(19, "")) == "the port is gone: No such device"
