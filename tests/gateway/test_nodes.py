"""The gateway's end of a node's serial link, over real ptys: what is wrong on the line costs that line only."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from node_peer import ABOUT, NodePeer
from waiting import PATIENCE_S, until
from wayside.lab.plant.cable import raw_pty
from wayside.net import frame_port
from wayside.south import nodes
from wayside.south.nodes import NodeLink, Parties
from wayside.trust.keys import SoftwareKey
from wayside.values.reading import PackRefused, TimeQuality
from wayside_wire import frame, link
from wayside_wire.pack import NO_PREVIOUS
from wayside_wire.session import NodeIdentity

NODE, GATEWAY, STRANGER = SoftwareKey(b"n" * 32), SoftwareKey(b"g" * 32), SoftwareKey(b"s" * 32)
PARTIES = Parties(GATEWAY, lambda: NODE.public)
HINT = link.Error(link.NO_SESSION, "no session stands, say hello")


class FakeClock:
    def utc_ms(self) -> int:
        return 1_763_676_000_123

    def monotonic(self) -> float:
        return 0.0

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED


class Board:
    """The node's end of the line: sends bytes, hears messages. `greet` and `noise` need no session."""

    def __init__(self, handle: int, key: SoftwareKey = NODE, about: NodeIdentity = ABOUT):
        self._handle = handle
        self._decoder = frame.FrameDecoder()
        self.peer = NodePeer(key, GATEWAY.public, about)
        self.heard: list[object] = []

    def send(self, message: object) -> None:
        self.noise(self.peer.seal(message))

    def say(self, message: object) -> None:
        """Without a seal."""
        self.noise(frame.encode(link.encode(message)))

    def noise(self, data: bytes) -> None:
        os.write(self._handle, data)

    async def greet(self) -> None:
        """Until a session stands and the time was told in it."""
        times = self.heard.count(TIME) + 1
        for _ in range(60):
            self.noise(self.peer.hello())
            with suppress(TimeoutError):
                return await self.hears(TIME, times, 0.5)
        raise AssertionError("no session")

    async def hears(self, wanted: object, times: int = 1, patience_s: float = PATIENCE_S) -> None:
        """Wait until `wanted` has come so often."""
        async with asyncio.timeout(patience_s):
            while self.heard.count(wanted) < times:
                try:
                    data = os.read(self._handle, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.002)
                    continue
                for message in self._decoder.feed(data):
                    said, answer = self.peer.take(message)
                    if said is not None:
                        self.heard.append(said)
                    if answer:
                        self.noise(answer)


def ack(raw: bytes) -> link.Ack:
    return link.Ack("meter-1", 1, len(raw), NO_PREVIOUS)


async def take(raw: bytes, oldest: tuple[int, int]) -> link.Ack:
    if raw.startswith(b"bad"):
        raise PackRefused(link.REFUSED, "this pack is bad")
    return ack(raw)


TIME = link.TimeMessage(1_763_676_000_123, TimeQuality.SYNCED, 0)


def run(scenario: Callable[[Board, NodeLink], Awaitable[None]], accept: nodes.Accept = take) -> None:
    async def whole() -> None:
        with raw_pty() as (master, path):
            node_link = NodeLink("node-1", path, 115_200, accept, FakeClock(), PARTIES)
            task = asyncio.create_task(node_link.run())
            try:
                await scenario(Board(master), node_link)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    asyncio.run(whole())


def test_a_session_brings_the_time_and_what_the_node_is():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        assert (node_link.board, node_link.firmware, node_link.boot) == ("UNIX", "0.1", 1)
        board.send(link.AskTime())
        await board.hears(TIME._replace(asked=1))
        assert node_link.counters["sessions"] == 1

    run(scenario)


def test_another_version_is_refused_with_what_to_do():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        board.say(link.Hello(9, NODE.kid, bytes(32)))
        await board.hears(link.Error(link.REFUSED, "link version 9, this end speaks 2: update one"))
        board.noise(frame.encode(bytes.fromhex("8601014856475aa75463474c036c5250323034305f4d4554455265302e312e30")))
        await board.hears(link.Error(link.REFUSED, "link version 1, this end speaks 2: update one"))

    run(scenario)


def test_a_thousand_hellos_of_strangers_are_told_twice(caplog: pytest.LogCaptureFixture):
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        for number in range(500):
            board.say(link.Hello(link.VERSION, number.to_bytes(8, "big"), bytes(32)))
            board.say(link.Hello(number + 3, bytes(8), bytes(32)))
            async with asyncio.timeout(60):
                while node_link.counters["turned away"] < 2 * number:
                    await asyncio.sleep(0.001)
        for _ in range(20):  # what the line was too full for is said again
            board.send(link.PackMessage(1, 0, b"good"))
            with suppress(TimeoutError):
                await board.hears(ack(b"good"), patience_s=1)
                break
        assert ack(b"good") in board.heard
        assert node_link.counters["turned away"] == 1000 and node_link.end.session
        assert len(caplog.messages) == 2, caplog.messages

    run(scenario)


def test_a_key_that_is_not_the_nodes_gets_no_session():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        board.peer = NodePeer(STRANGER, GATEWAY.public)
        await board.hears(HINT)  # and says hello
        text = f"key {STRANGER.kid.hex()} is not that of node-1; type: wayside keys enrol, or replace"
        await board.hears(link.Error(link.REFUSED, text))
        # Nor by the node's key id, which everybody knows.
        thief = NodePeer(STRANGER, GATEWAY.public)
        thief.end._kid = NODE.kid
        board.peer = thief
        board.noise(thief.hello())
        async with asyncio.timeout(60):
            while not node_link.counters["confirmations refused"]:
                with suppress(TimeoutError):
                    await board.hears(TIME, patience_s=0.05)
        assert node_link.counters["sessions"] == 0 and not node_link.end.session
        board.peer = NodePeer(NODE, GATEWAY.public)
        await board.greet()

    run(scenario)


def test_a_pack_is_acknowledged_and_a_bad_one_answered_with_the_reason():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        board.send(link.PackMessage(1, 0, b"bad pack"))
        board.send(link.PackMessage(1, 0, b"good pack"))
        await board.hears(ack(b"good pack"))
        await board.hears(link.Error(link.REFUSED, "this pack is bad"))
        assert node_link.counters["packs"] == 1 and node_link.counters["refused"] == 1

    run(scenario)


def test_six_hundred_bad_packs_are_one_message_and_all_are_counted(caplog: pytest.LogCaptureFixture):
    async def refuse(raw: bytes, oldest: tuple[int, int]) -> link.Ack:
        raise PackRefused(link.REFUSED, f"pack {raw!r} is bad")

    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.hears(TIME)
        for number in range(600):
            board.send(link.PackMessage(1, number, b"bad %d" % number))
            await until(lambda number=number: node_link.counters["refused"] == number + 1)

    run(scenario, refuse)
    [record] = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert record.getMessage() == "node node-1: pack b'bad 0' is bad"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=1500), max_size=3))
def test_after_any_noise_the_next_pack_is_acknowledged(noise: list[bytes]):
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        for piece in noise:
            board.noise(piece[:1200])
            await asyncio.sleep(0)
        board.noise(b"\x00")
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"))

    run(scenario)


def test_half_a_frame_a_wrong_crc_and_an_oversize_frame_are_counted():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        whole = board.peer.seal(link.PackMessage(1, 0, b"cut"))
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
        await board.greet()
        board.noise(frame.encode(b"\xff"))
        board.send(link.Ack("meter-1", 1, 1, NO_PREVIOUS))  # not for a gateway
        board.send(link.Error(link.BUSY, "full"))
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"))
        board.say(link.PackMessage(1, 0, b"without a seal"))
        board.send(link.PackMessage(1, 0, b"good"))
        await board.hears(ack(b"good"), 2)
        assert node_link.counters["bad messages"] == 2 and node_link.counters["errors from node"] == 1
        assert node_link.counters["messages without a seal"] == 1 and node_link.counters["packs"] == 2

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
        await board.greet()
        sent = 0
        async with asyncio.timeout(60):
            while sent < 10_000:
                flood = b"".join(board.peer.seal(link.PackMessage(1, 0, b"x")) for _ in range(50))
                sent += 50
                while flood:
                    try:
                        flood = flood[os.write(board._handle, flood) :]
                    except BlockingIOError:
                        await asyncio.sleep(0.001)
        board.noise(b"\x00")
        await board.hears(link.Error(link.BUSY, "too many packs at once; send fewer before an acknowledgement"))
        assert most <= 32

    run(scenario, slow)


def test_a_port_that_goes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(frame_port, "_BACKOFF_S", (0.01, 0.05))
    path = tmp_path / "ttyNODE"

    async def whole() -> None:
        node_link = NodeLink("node-1", str(path), 115_200, take, FakeClock(), PARTIES)
        task = asyncio.create_task(node_link.run())
        try:
            for _ in range(3):
                failures = node_link.counters["port not there"]
                async with asyncio.timeout(60):
                    while node_link.counters["port not there"] == failures:
                        await asyncio.sleep(0.005)
                with raw_pty() as (master, slave):
                    path.symlink_to(slave)
                    board = Board(master)
                    await board.greet()
                    board.send(link.PackMessage(1, 0, b"good"))
                    await board.hears(ack(b"good"))
                    path.unlink()
                async with asyncio.timeout(60):
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
        await board.greet()
        asked = asyncio.create_task(node_link.command(b"do it", 7))
        await board.hears(link.CommandMessage(b"do it"), 3)
        board.send(link.CommandAnswer(6, 0, b"of an earlier one"))
        board.send(link.CommandAnswer(7, 0, b"done"))
        assert await asked == link.CommandAnswer(7, 0, b"done")
        assert node_link.counters["answers to nobody"] == 1
        with pytest.raises(nodes.NoAnswer, match="does not answer"):
            await node_link.command(b"do it", 8)
        asked = asyncio.create_task(node_link.command(b"forged", 9))
        await board.hears(link.CommandMessage(b"forged"))
        board.send(link.CommandAnswer(0, 1, b"the signature does not hold"))
        assert (await asked).status == 1

    run(scenario)


def test_what_a_node_counts_is_kept():
    async def scenario(board: Board, node_link: NodeLink) -> None:
        await board.greet()
        board.send(link.CountersMessage({"crc errors": 3}))
        board.peer = NodePeer(NODE, GATEWAY.public, NodeIdentity(41, "UNIX", "0.1"))
        await board.greet()
        assert node_link.told == {"crc errors": 3}
        assert (node_link.boot, node_link.connected, node_link.heard_s) == (41, True, 0.0)

    run(scenario)
