"""What a node does from the last byte of a poll to the frame on the link, step by step. Runs in any MicroPython.

On the virtual board tools/bench_node_vm.py imports it; on an emulated or real one its text goes over the raw REPL.
"""

import asyncio
import gc
import struct
import time

import wayside_native
from wayside_node.clock import NodeClock
from wayside_node.files import Files
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.meter import Meter
from wayside_node.packer import Packer
from wayside_wire import frame, link
from wayside_wire.aggregate import Aggregator
from wayside_wire.session import GatewayEnd, NodeEnd, NodeIdentity


class Laps:
    """Times of steps that follow each other, by name."""

    def __init__(self):
        self._times = {}
        self._began = 0

    def begin(self):
        self._began = time.ticks_us()

    def end(self, name):
        self._times.setdefault(name, []).append(time.ticks_diff(time.ticks_us(), self._began))
        self.begin()

    def note(self, name, number):
        """Something else than a time."""
        self._times[name] = [number]

    def medians(self):
        return {name: sorted(times)[len(times) // 2] for name, times in self._times.items()}


class Answers:
    """A bus without a line: the time of the wire is not the node's."""

    async def read(self, unit, function, address, count, timeout_ms, quiet_ms, gap_ms=0):
        return struct.pack(">f", 230.125) * ((count + 1) // 2)


async def stages(settings, rounds, urandom, sync, sync_directory):
    """Median time in microseconds of each step, `rounds` times; uses the directory settings.state."""
    meter_settings = settings.buses[0].meters[0]
    clock = NodeClock(time.ticks_ms, time.ticks_diff, asyncio.sleep_ms, settings.holdover_ms)
    files = Files(sync, sync_directory)
    identity = open_identity(files, settings.state, wayside_native, urandom)
    journal = PackJournal(files, settings.state + "/stages", settings.journal_bytes)
    meter = Meter(meter_settings, Answers(), settings.buses[0].baud, clock)
    aggregator = Aggregator(meter_settings.profile.kinds)
    packer = Packer(meter_settings.device, identity.counters.next_boot(), journal, identity, clock)
    laps = Laps()
    for _ in range(rounds):
        gc.collect()
        laps.begin()
        readings = await meter.poll()
        laps.end("decode a poll")
        aggregator.add(readings)
        laps.end("aggregate a poll")
        packer.take(aggregator.report())
        laps.end("report and split")
        packer.sign()
        laps.end("encode and sign a pack")
        packer.store()
        laps.end("store a pack (sync)")
        stored = journal.read(journal.first)
        frame.encode(link.encode(link.PackMessage(stored.boot, stored.sequence, stored.raw)))
        laps.end("read and frame a pack")
        journal.release(stored.end)
        while packer.busy:
            packer.sign()
            packer.store()
        journal.tidy()
    message = bytes(430)  # what is signed of the bench's pack
    signature = identity.sign(message)
    laps.begin()
    for _ in range(rounds):
        identity.sign(message)
        laps.end("Ed25519 sign, 430 bytes")
        wayside_native.ed25519_verify(identity.public, message, signature)
        laps.end("Ed25519 verify, 430 bytes")
    sessions(laps, rounds, identity, urandom)
    return laps.medians()


def sessions(laps, rounds, identity, urandom):
    """What a session costs the node: once, and with each message. The gateway here has the node's own key."""
    about = NodeIdentity(1, "BENCH", "bench")
    node = NodeEnd(identity.public, identity.sign, identity.public, wayside_native, urandom, about)
    gateway = GatewayEnd(identity.public, identity.sign, wayside_native, urandom)
    gc.collect()
    before = gc.mem_alloc()
    for _ in range(max(3, rounds // 10)):
        gc.collect()
        laps.begin()
        hello = node.hello()
        laps.end("session: hello (X25519)")
        welcome = gateway.welcome(hello)
        laps.begin()
        confirm, session = node.answer(welcome)
        laps.end("session: verify, agree, confirm")
        gateway.confirm(confirm, identity.public)
    del hello, welcome, confirm
    ack = link.Ack("meter-1", 1, 7, bytes(16))
    pack = link.PackMessage(1, 7, bytes(430))
    for _ in range(rounds):
        gc.collect()
        plain, raw = link.encode(ack), gateway.session.seal(ack)
        laps.begin()
        link.decode(plain)
        laps.end("an ack without a seal")
        session.open(link.decode(raw))
        laps.end("an ack, sealed")
        link.encode(pack)
        laps.end("a pack message without a seal")
        session.seal(pack)
        laps.end("a pack message, sealed")
    del plain, raw, ack, pack
    gc.collect()
    # Both ends are there, and a node has one of them.
    laps.note("session: heap, bytes", (gc.mem_alloc() - before) // 2)
