"""A board of RP2040_METER with everything on it that fate can get at, in a time that goes quickly where nothing is."""

import re
import struct
from binascii import crc32
from collections.abc import Callable, Generator
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from wayside.lab.plant import Sdm630, answer_for
from wayside_wire import command, link
from wayside_wire.pack import open_pack, pack_hash

from ...emulator import Emulator
from ...events import Event, FlashWork, Reset, UsbOutput
from ...rs485 import Rs485Line
from ...second_master import SecondMaster
from ...supply import Supply
from ...world import World
from ..console import NodeRepl
from ..meter_node import BUS_UART, ENABLE_PIN, LINK_UART, provision
from ..modbus_line import framed, request
from .gateway import NS, FateGateway, Violation

MS = 1_000_000
_QUIET_NS = 20 * MS  # after so long without a word on any line the board naps
_PATIENT = 4  # naps may be so much longer than the calm before them
_AWAKE = 1  # ns that such a nap takes
_AGAIN_NS = 4 * NS
NAP_NS = 1500 * MS
CALM_NAP_NS = 45 * NS  # late for nothing that the node waits a minute for, its supervisor's deadline
_LONG_NS = 600 * NS
_MOST_HOURS, _CALM_S, _SELDOM_MS = 72, 6 * 3600, 240_000
_FRONT = 32  # bytes before each pack in a journal
Steps = Generator[int, None, Any]
"""Something that goes on beside other things: yields nanoseconds to the next time that it is asked."""


class QuickWorld(World):
    """As World; where nothing happens time goes in strides, and while nothing is on a line the board naps as well, for
    `nap_ns` at a time. due(): when a plant does something by itself, in ns; None: not unless the board does."""

    def __init__(self, emulator: Emulator, *plugs: Any):
        super().__init__(emulator, *plugs)
        self.board = emulator
        self.nap_ns = NAP_NS
        self.until_ns = 0
        self.due: Callable[[], int | None] = lambda: None
        self._last_ns = 0

    def step(self) -> None:
        board, due = self.board, self.due()
        calm_ns, nap_ns = self.now - self._last_ns, _AWAKE
        if due is not None:
            end = due
        elif calm_ns < _QUIET_NS:
            end = self._last_ns + _QUIET_NS
        else:  # what is in the middle of something is not late by much
            nap_ns = min(self.nap_ns, _PATIENT * calm_ns)
            end = self.now + _PATIENT * calm_ns
        end = min(end, self.until_ns)
        if calm_ns < self.STEP_NS or end - self.now <= self.STEP_NS:
            seen = board.run_for(self.STEP_NS)
        else:
            seen = board.rest(end, nap_ns)
        if seen:
            self._last_ns = self.now
        for event in seen:
            for plug in self.plugs:
                plug.see(event)
        for plug in self.plugs:
            plug.settle(self.now)

    def go_to(self, end_ns: int) -> None:
        """Let everything go on until then."""
        self.until_ns = end_ns
        while self.now < end_ns:
            self.step()
        self.until_ns = 0


class FateNode:
    """`console`: what it said on USB lately; `resets`: how often of which cause."""

    def __init__(self, image: Path, seed: int = 1):
        self.board = Emulator(image, seed=seed)
        self.meter = Sdm630(clock=lambda: self.board.now / 1e9)
        self.answer = answer_for({1: self.meter})
        self.line = Rs485Line(self.board, BUS_UART, ENABLE_PIN, framed(lambda body: self.answer(body)))
        self.gateway = FateGateway(self.board, LINK_UART)
        self.second_master = SecondMaster(self.line, Random(seed), request())
        self.supply = Supply(self.board)
        self.world = QuickWorld(self.board, self.line, self.gateway, self.second_master, self.supply, self)
        self.world.due = self._due
        self.repl = NodeRepl(self.world)
        self.console = b""
        self.resets: dict[str, int] = {}
        self.reset_ns = 0  # the last
        self.cut_in_flash = 0
        self.config: dict[str, Any] = {}
        self.durable: dict[tuple[str, int, int], bytes] = {}  # packs that were seen in flash: hash by place

    # --- plug ---

    def see(self, event: Event) -> None:
        if isinstance(event, UsbOutput):
            self.console = (self.console + event.data)[-4000:]
        elif isinstance(event, Reset):
            self.resets[event.cause] = self.resets.get(event.cause, 0) + 1
            self.reset_ns = event.at
            self.console += b"\n[reset: %s]\n" % event.cause.encode()
        elif isinstance(event, FlashWork) and event.cut:
            self.cut_in_flash += 1

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def _due(self) -> int | None:
        """When a plant is going to do something by itself."""
        supply = self.supply
        slopes = len(supply._slopes) > 1 or supply._slopes[0].end > self.board.now
        if slopes or self.second_master.present or self.gateway._outbox:
            return self.board.now
        return self.line.due

    # --- what is done to it ---

    def for_long(self, span_ns: int) -> Steps:
        """Let so much time go by, in longer naps where it is hours."""
        before = self.world.nap_ns
        if span_ns > _LONG_NS:
            self.world.nap_ns = max(before, CALM_NAP_NS)
        yield span_ns
        self.world.nap_ns = before

    def hours(self, random: Random, most: float) -> float:
        """For how long something goes on: minutes, and days where the node polls seldom enough for that."""
        return min(random.choice((0.1, 0.1, 0.3, 1, 3, 12, most)), _MOST_HOURS * self._cheapness)

    def calm_ns(self, random: Random) -> int:
        """How long nothing is done to it between two steps: up to six hours, by the same measure."""
        return round(min(random.choice((10, 10, 60, 3600, _CALM_S)), _CALM_S * self._cheapness) * NS)

    @property
    def _cheapness(self) -> float:
        poll_ms: int = self.config["meters"][0]["poll_ms"]
        return (poll_ms / _SELDOM_MS) ** 2

    def provision(self, config: dict[str, Any]) -> None:
        """As a technician does."""
        self.config = config
        self.repl.wait(b">>> ")
        self.repl.enter()
        self.gateway.enrol(provision(self.repl, config), config)
        self.board.cut_power()
        self.board.restore_power(self.board.now + 100 * MS)

    def command(self, verb: str, *arguments: object, patience_s: float = 40) -> Steps:
        """Have the gateway command it; the link.CommandAnswer, None where none comes."""
        number, raw = self.gateway.next_command(verb, list(arguments))
        end = self.board.now + patience_s * NS
        again = 0
        while self.board.now < end:
            if self.board.now >= again:
                self.gateway.send(link.CommandMessage(raw))
                again = self.board.now + _AGAIN_NS
            yield 100 * MS
            if number in self.gateway.answers:
                return self.gateway.answers[number]
        return None

    def write_config(self, content: bytes) -> Steps:
        """Have the gateway write and use another configuration; what became of it, in words."""
        for offset in range(0, max(len(content), 1), command.PIECE):
            answer = yield from self.command(command.CONFIG_WRITE, offset, content[offset : offset + command.PIECE])
            if answer is None or answer.status != command.OK:
                return f"not written at {offset}: {_words(answer)}"
        answer = yield from self.command(command.CONFIG_USE, len(content), sha256(content).digest())
        return _words(answer)

    def type(self, text: bytes) -> None:
        """At its console."""
        self.board.send_usb(text)

    # --- what is in its flash ---

    def packs_in_flash(self) -> list[tuple[int, int, str, int, int, bytes]]:
        """(offset, size, device, boot, sequence, hash) of each whole record of a journal that lies in one piece."""
        content = self.board.flash.read_bytes()
        found = []
        for match in re.finditer(rb"\xffW", content):  # wayside_node.journal
            start = match.start()
            front = content[start : start + _FRONT]
            if len(front) < _FRONT or crc32(front[:-4]) != int.from_bytes(front[-4:], "little"):
                continue
            size, boot, sequence, its_hash = struct.unpack_from("<HII16s", front, 2)
            raw = content[start + _FRONT : start + _FRONT + size]
            if size and pack_hash(raw) == its_hash:
                found.append((start, _FRONT + size, _device(raw), boot, sequence, its_hash))
        return found

    def note_durable(self) -> None:
        """Remember which packs were in flash: each has to come, or to be in a gap that is named."""
        for _, _, device, boot, sequence, its_hash in self.packs_in_flash():
            self.durable[device, boot, sequence] = its_hash

    def check_losses(self) -> None:
        """Violation where a pack that was in flash has gone without a word."""
        for (device, boot, sequence), its_hash in self.durable.items():
            chain = self.gateway.chains.get(device)
            place = (boot, sequence)
            if chain is None or chain.has(place, its_hash):
                continue
            if place in chain.raw:
                raise Violation(f"two histories: {device} boot {boot} sequence {sequence} in flash was another")
            behind = next((taken for taken in chain.taken if (taken.pack.boot, taken.pack.sequence) > place), None)
            if behind is None or behind.broken or self._is_cut_off(device, place):
                continue
            raise Violation(f"silent loss: {device} boot {boot} sequence {sequence} was in flash, and is not there")

    def _is_cut_off(self, device: str, place: tuple[int, int]) -> bool:
        """Whether it is the last of its boot and the supply has failed: it may lie in flash and not have become part of
        its file. Such a one was never durable, and never sent."""
        known = {(boot, sequence) for its, boot, sequence in self.durable if its == device}
        later = (place[0], place[1] + 1)
        return self.resets.get("off", 0) > 0 and not any(
            later <= each < (place[0] + 1, 0) for each in (*known, *self.gateway.chains[device].raw)
        )

    def close(self) -> None:
        self.board.close()


def _words(answer: link.CommandAnswer | None) -> str:
    if answer is None:
        return "no answer"
    return "done" if answer.status == command.OK else answer.data.decode(errors="replace")


def _device(raw: bytes) -> str:
    """Of a pack, without looking at its signature."""
    return str(open_pack(raw, lambda *_: True)[0].device)
