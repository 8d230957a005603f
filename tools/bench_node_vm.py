"""Runs in the MicroPython VM: the whole node on a virtual line and link, as fast as the processor goes.

    micropython tools/bench_node_vm.py CONFIG POLLS    one JSON object: heap in use early and at the end, times

The meter answers at once with registers that change, the gateway verifies and acknowledges every pack, time is virtual.
CONFIG is a node's configuration with one meter; its ports are not opened.
"""

import asyncio
import gc
import json
import struct
import sys
import time

import wayside_native
from node_stages import stages
from wayside_node import config
from wayside_node.app import Node
from wayside_node.clock import NodeClock
from wayside_node.config_store import ConfigStore
from wayside_node.files import Files
from wayside_node.report_log import ReportLog
from wayside_wire import frame, link, modbus
from wayside_wire.pack import SYNCED, open_pack, pack_hash
from wayside_wire.session import GatewayEnd

NOW_MS = 1_790_000_000_000


class Port:
    """One end of a line; the other end is in the subclass's take()."""

    def __init__(self):
        self._waiting = b""

    def put(self, data):
        self._waiting += data

    def readinto(self, buffer):
        size = min(len(buffer), len(self._waiting))
        if not size:
            return None
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size

    def write(self, data):
        self.take(bytes(data))
        return len(data)


class MeterPort(Port):
    """A meter whose float registers follow the number of polls."""

    def __init__(self):
        super().__init__()
        self.polls = 0
        self.answered_us = 0
        self._first = None

    def take(self, data):
        body = modbus.rtu_body(data)
        address, count = struct.unpack(">HH", body[2:])
        if self._first is None:
            self._first = address
        self.polls += address == self._first
        value = struct.pack(">f", 200 + self.polls / 8)  # its counters never go back
        registers = value * ((count + 1) // 2)
        self.put(modbus.rtu_frame(body[:2] + bytes((2 * count,)) + registers[: 2 * count]))
        self.answered_us = time.ticks_us()


class GatewayPort(Port):
    """Verifies and acknowledges; `packs` counts."""

    def __init__(self, board):
        super().__init__()
        self._board = board
        self._decoder = frame.FrameDecoder()
        seed = b"\x01" * 32
        public = wayside_native.ed25519_public_key(seed)
        self._end = GatewayEnd(
            public, lambda message: wayside_native.ed25519_sign(seed, public, message), wayside_native, bytes
        )
        self.packs = 0
        self.frame_us = 0

    def take(self, data):
        self.frame_us = time.ticks_us()
        for raw in self._decoder.feed(data):
            message = link.decode(raw)
            if isinstance(message, link.Hello):
                self.put(frame.encode(link.encode(self._end.welcome(message))))
            elif isinstance(message, link.Confirm):
                self._end.confirm(message, self._board.public)
                self._time(0)
            elif isinstance(message, link.Sealed):
                self._take(self._end.open(message), message.number)

    def _take(self, message, number):
        if isinstance(message, link.PackMessage):
            pack, _ = open_pack(message.raw, self._verify)
            self.packs += 1
            self._seal(link.Ack(pack.device, pack.boot, pack.sequence, pack_hash(message.raw)))
        elif isinstance(message, link.AskTime):
            self._time(number)

    def _time(self, asked):
        self._seal(link.TimeMessage(NOW_MS + self._board.time_ms, SYNCED, asked))

    def _seal(self, message):
        self.put(frame.encode(self._end.session.seal(message)))

    def _verify(self, kid, message, signature):
        return wayside_native.ed25519_verify(self._board.public, message, signature)


class Board:
    """A board in virtual time, which moves on when every task sleeps: drive() does that."""

    NAME = "BENCH"

    def __init__(self, settings):
        self.time_ms = 0
        self.public = b""
        self.meter = MeterPort()
        self.gateway = GatewayPort(self)
        self._link = settings.link.port
        self._sleepers = []  # (time_ms, event)

    def open_uart(self, port, baud, parity):
        return self.gateway if port == self._link else self.meter

    def driver(self, port):
        return None

    def watchdog(self, timeout_ms):
        return lambda: None

    def busy(self, span_ms):
        pass

    def trial(self):
        return None

    def reset(self):
        raise RuntimeError("nothing here asks for a start anew")

    def urandom(self, size):
        if not self.public:
            self.public = wayside_native.ed25519_public_key(bytes(size))  # the first is the node's seed
        return bytes(size)

    def ticks_ms(self):
        return self.time_ms

    def ticks_diff(self, end, start):
        return end - start

    async def sleep_ms(self, ms):
        event = asyncio.Event()
        self._sleepers.append((self.time_ms + max(1, ms), event))
        await event.wait()

    async def drive(self):
        """Let everybody run as far as they come, then move the time on to the first that wakes up."""
        for _ in range(4):
            await asyncio.sleep_ms(0)
        if self._sleepers:
            self.time_ms = min([at for at, _ in self._sleepers])
            for sleeper in [sleeper for sleeper in self._sleepers if sleeper[0] <= self.time_ms]:
                self._sleepers.remove(sleeper)
                sleeper[1].set()


def report(text):
    print(text, file=sys.stderr)


def make(settings):
    """(board, node) of a configuration."""
    board = Board(settings)
    clock = NodeClock(board.ticks_ms, board.ticks_diff, board.sleep_ms, settings.holdover_ms)
    files = Files(lambda file: file.flush(), lambda path: None)
    log = ReportLog(clock.now, report)
    store = ConfigStore(files, sys.argv[1])
    return board, Node(settings, board, wayside_native, clock, files, lambda limit: limit // 2, log, store)


async def run(settings, polls):
    """What main() prints."""
    board, node = make(settings)
    task = asyncio.create_task(node.run())
    early = polls // 5
    in_use = 0
    peak = 0
    to_frame_us = []
    seen = 0
    began_us = time.ticks_us()
    while board.meter.polls < polls and not any(node.supervisor.restarts.values()):
        await board.drive()
        if board.gateway.packs > seen:
            seen = board.gateway.packs
            if len(to_frame_us) < 200:
                to_frame_us.append(time.ticks_diff(board.gateway.frame_us, board.meter.answered_us))
        if not in_use and board.meter.polls >= early:
            gc.collect()
            in_use = gc.mem_alloc()
        peak = max(peak, gc.mem_alloc())
    took_us = time.ticks_diff(time.ticks_us(), began_us)
    gc.collect()
    to_frame_us.sort()
    result = {
        "polls": board.meter.polls,
        "packs": board.gateway.packs,
        "heap_early": in_use,
        "heap_late": gc.mem_alloc(),
        "heap_peak": peak,
        "heap_free": gc.mem_free(),
        "poll_us": took_us // board.meter.polls,
        "last_byte_to_frame_us": to_frame_us[len(to_frame_us) // 2],
        "restarts": sum(node.supervisor.restarts.values()),
    }
    task.cancel()
    return result


def main():
    settings = config.load(sys.argv[1])
    result = asyncio.run(run(settings, int(sys.argv[2])))
    steps = stages(settings, 50, bytes, lambda file: file.flush(), lambda path: None)
    result["stages_us"] = asyncio.run(steps)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
