"""The gateway's end of a node's serial link, over real ptys: what is wrong on the line costs that line only."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wayside.plant.cable import raw_pty
from wayside.reading import Refused, TimeQuality
from wayside.south import nodes
from wayside.south.nodes import NodeLink
from wayside_wire import frame, link
from wayside_wire.pack import NO_PREVIOUS

KID = b"12345678"


class FakeClock:
    def utc_ms(self) -> int:
        return 1_763_676_000_123

    def monotonic(self) -> float:
        return 0.0

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED


class Board:
    """The node's end of the line: sends bytes, hears messages."""

    def __init__(self, handle: int):
        self._handle = handle
        self._decoder = frame.Decoder()
        self.heard: list[object] = []

    def send(self, message: object) -> None:
        self.noise(frame.encode(link.encode(message)))

    def noise(self, data: bytes) -> None:
        os.write(self._handle, data)

    async def hears(self, wanted: object, times: int = 1) -> None:
        """Wait until `wanted` has come so often."""
        async with asyncio.timeout(20):
            while self.heard.count(wanted) < times:
                try:
                    data = os.read(self._handle, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.002)
                    continue
                self.heard += [link.decode(message) for message in self._decoder.feed(data)]


def ack(raw: bytes) -> link.Ack:
    return link.Ack("meter-1", 1, len(raw), NO_PREVIOUS)


async def take(raw: bytes, oldest: tuple[int, int]) -> link.Ack:
    if raw.startswith(b"bad"):
        raise Refused(link.REFUSED, "this pack is bad")
    return ack(raw)


TIME = link.Time(1_763_676_000_123, TimeQuality.SYNCED)


def run(scenario: Callable[[Board, NodeLink], Awaitable[None]], accept: nodes.Accept = take) -> None:
    async def whole() -> None:
        with raw_pty() as (master, path):
            node_link = NodeLink("node-1", path, 115_200, accept, FakeClock())
            task = asyncio.create_task(node_link.run())
            try:
                await scenario(Board(master), node_link)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def test_time_comes_first_and_after_each_hello():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        board.send(link.Hello(link.VERSION, KID, 1, "UNIX", "0.1"))
        await board.hears(TIME, 2)
        assert (node_link.board, node_link.firmware) == ("UNIX", "0.1")

    run(scenario)


def test_another_version_is_refused_with_what_to_do():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        board.send(link.Hello(9, KID, 1, "UNIX", "0.1"))
        await board.hears(link.Error(link.REFUSED, "link version 9, this gateway speaks 1: update one"))

    run(scenario)


def test_a_pack_is_acknowledged_and_a_bad_one_answered_with_the_reason():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        board.send(link.PackMessage(1, 0, b"bad pack"))
        board.send(link.PackMessage(1, 0, b"good pack"))
        await board.hears(ack(b"good pack"))
        await board.hears(link.Error(link.REFUSED, "this pack is bad"))
        assert node_link.counters["packs"] == 1 and node_link.counters["refused"] == 1

    run(scenario)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=1500), max_size=3))
def test_after_any_noise_the_next_pack_is_acknowledged(noise: list[bytes]):
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        for piece in noise:
            board.noise(piece[:1200])
            await asyncio.sleep(0)
        board.noise(b"\x00")
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"))

    run(scenario)


def test_half_a_frame_a_wrong_crc_and_an_oversize_frame_are_counted():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        whole = frame.encode(link.encode(link.PackMessage(1, 0, b"cut")))
        board.noise(whole[: len(whole) // 2] + b"\x00")
        broken = bytearray(whole)
        broken[3] ^= 4
        board.noise(bytes(broken))
        board.noise(b"\x01" * 2000 + b"\x00")
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"))
        assert node_link.counters["crc errors"] == 2 and node_link.counters["oversize frames"] == 1
        assert node_link.counters["packs"] == 1

    run(scenario)


def test_a_message_that_is_none_is_answered():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        board.noise(frame.encode(b"\xff"))
        board.send(link.Ack("meter-1", 1, 1, NO_PREVIOUS))  # not for a gateway
        board.send(link.Error(link.BUSY, "full"))
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"))
        assert node_link.counters["bad messages"] == 2 and node_link.counters["errors from node"] == 1

    run(scenario)


def test_ten_thousand_packs_at_once_are_bounded():
    waiting = 0
    most = 0

    async def slow(raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        await asyncio.sleep(0.01)
        waiting -= 1
        return ack(raw)

    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        sent = 0
        flood = frame.encode(link.encode(link.PackMessage(1, 0, b"x")))
        async with asyncio.timeout(30):
            while sent < 10_000:
                try:
                    sent += os.write(board._handle, flood * 50) // len(flood)
                except BlockingIOError:
                    await asyncio.sleep(0.001)
        board.noise(b"\x00")
        await board.hears(link.Error(link.BUSY, "too many packs at once; send fewer before an acknowledgement"))
        assert most <= 32

    run(scenario, slow)


def test_a_port_that_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nodes, "_BACKOFF_S", (0.01, 0.05))
    path = tmp_path / "ttyNODE"

    async def whole() -> None:
        node_link = NodeLink("node-1", str(path), 115_200, take, FakeClock())
        task = asyncio.create_task(node_link.run())
        try:
            for _ in range(3):
                failures = node_link.counters["port not there"]
                async with asyncio.timeout(20):
                    while node_link.counters["port not there"] == failures:
                        await asyncio.sleep(0.005)
                with raw_pty() as (master, slave):
                    path.symlink_to(slave)
                    board = Board(master)
                    await board.hears(TIME)
                    board.send(link.PackMessage(1, 0, b"good"))
                    await board.hears(ack(b"good"))
                    path.unlink()
                async with asyncio.timeout(20):
                    while not node_link.counters["port lost"]:
                        await asyncio.sleep(0.005)
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def test_a_command_is_sent_again_until_it_is_answered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nodes, "_COMMAND_AGAIN_S", 0.05)

    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        asked = asyncio.create_task(node_link.command(b"do it", 7))
        await board.hears(link.CommandMessage(b"do it"), 3)
        board.send(link.Answer(6, 0, b"of an earlier one"))
        board.send(link.Answer(7, 0, b"done"))
        assert await asked == link.Answer(7, 0, b"done")
        assert node_link.counters["answers to nobody"] == 1
        with pytest.raises(nodes.NoAnswer, match="does not answer"):
            await node_link.command(b"do it", 8)
        asked = asyncio.create_task(node_link.command(b"forged", 9))
        await board.hears(link.CommandMessage(b"forged"))
        board.send(link.Answer(0, 1, b"the signature does not hold"))
        assert (await asked).status == 1

    run(scenario)


def test_what_a_node_counts_is_kept():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        board.send(link.Counters({"crc errors": 3}))
        board.send(link.Hello(link.VERSION, KID, 41, "UNIX", "0.1"))
        await board.hears(TIME, 2)
        assert node_link.told == {"crc errors": 3}
        assert (node_link.boot, node_link.connected, node_link.heard_s) == (41, True, 0.0)

    run(scenario)
