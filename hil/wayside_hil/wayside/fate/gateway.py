"""A gateway on the node's link that judges packs as the real one does, and can be spoilt in every way that one can."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

from wayside.evidence.ed25519 import verifies
from wayside.intake.order import Earlier, Extends, Head, Leaps, OutOfOrder, given_up, judge
from wayside.south import curves
from wayside.trust.keys import SoftwareKey
from wayside_wire import WireError, command, frame, link
from wayside_wire.pack import SYNCED, Pack, key_id, open_pack, pack_hash
from wayside_wire.session import GatewayEnd

from ...board import Board
from ...events import Event, UartByte
from ..gateway import KEY, LinkGateway

NS = 1_000_000_000


class Violation(Exception):
    """Something that must never be: a second history, a silent loss, a node that needs a hand."""


class Taken(NamedTuple):
    """A pack that is in the log. broken: a gap before it was named."""

    pack: Pack
    hash: bytes
    at: int
    broken: bool


class FateChain:
    """A device's packs by one key, in the order of the log."""

    def __init__(self) -> None:
        self.taken: list[Taken] = []
        self.raw: dict[tuple[int, int], bytes] = {}  # hash of each, by boot and sequence
        self.late: dict[tuple[int, int], bytes] = {}  # given up for lost, and came after all
        self.again: dict[tuple[int, int], int] = {}  # when each was sent another time, the last of them
        self.gaps: list[str] = []
        self.oldest = (0, 0)  # that the node still holds, as it said last
        self.given_up = (0, 0)  # up to there it is named that nothing more will come

    def has(self, place: tuple[int, int], its_hash: bytes) -> bool:
        """Whether this pack is here, or named among what will not come of a device that is gone."""
        return place <= self.given_up or its_hash in (self.raw.get(place), self.late.get(place))

    @property
    def head(self) -> Head | None:
        if not self.taken:
            return None
        last = self.taken[-1]
        return Head(last.pack.boot, last.pack.sequence, last.hash)


class FateGateway(LinkGateway):
    """`chains` by device. `utc`: what its clock says; spoil_heard, spoil_said: what the line makes of a byte.

    It commands a node that asks for it, where it is `obliging`.
    """

    def __init__(self, board: Board, uart: int, key: SoftwareKey = KEY, seed: int = 1):
        self.chains: dict[str, FateChain] = {}
        self.spoil_heard: Callable[[int], int] = lambda value: value
        self.spoil_said: Callable[[bytes], bytes] = lambda data: data
        self.utc_moved_ms = 0
        self.time_quality = SYNCED
        self.obliging = True
        self.absent = False  # it hears, and says nothing
        self.answers: dict[int, link.CommandAnswer] = {}
        self.said: list[bytes] = []  # lately, as they were on the line
        self.heard_frames: list[bytes] = []
        self.asked_to_command = False
        self._key = key
        self._seed = seed
        self._number = 0
        self._restarts = 0
        super().__init__(board, uart)

    def restart(self, key: SoftwareKey | None = None) -> None:
        """Begin anew; no session stands."""
        self._restarts += 1
        random = Random(f"{self._seed} {self._restarts}").randbytes
        self._end = GatewayEnd(self._key.public, self._key.sign, curves, random)

    # --- commands ---

    def next_command(self, verb: str, arguments: list[object]) -> tuple[int, bytes]:
        """The next command, signed."""
        self._number += 1
        wanted = command.Command(key_id(self.public), self._number, verb, arguments)
        return self._number, command.sign_command(wanted, key_id(self._key.public), self._key.sign)

    # --- the line ---

    def see(self, event: Event) -> None:
        if isinstance(event, UartByte) and event.uart == self._uart:
            event = event._replace(value=self.spoil_heard(event.value))
        super().see(event)

    def settle(self, now_ns: int) -> None:
        outbox, self._outbox = self._outbox, []
        if self.absent or self.deaf:
            return
        for message in outbox:
            self.say_frame(message)

    def say_frame(self, message: bytes) -> None:
        data = frame.encode(message)
        self.said = [*self.said[-63:], data]
        self._board.send_uart(self._uart, self.spoil_said(data), self._baud)

    def utc_ms(self, at_ns: int) -> int:
        return max(0, super().utc_ms(at_ns) + self.utc_moved_ms)

    def _tell_time(self, asked: int) -> None:
        self.send(link.TimeMessage(self.utc_ms(self._board.now), self.time_quality, asked))

    # --- what the node says ---

    def _take(self, data: bytes, start: int, end: int) -> None:
        self.heard_frames = [*self.heard_frames[-63:], data]
        try:
            super()._take(data, start, end)
        except WireError:
            self.damaged += 1
        for message in self.others:
            if isinstance(message, link.CommandAnswer):
                self.answers[message.number] = message
            elif isinstance(message, link.CountersMessage) and message.counts.get(command.ON_TRIAL):
                self.asked_to_command = True
            elif isinstance(message, link.GivenUp):
                self._give_up(message)
        self.others.clear()
        if self.asked_to_command and self.obliging:
            self.asked_to_command = False
            self.send(link.CommandMessage(self.next_command(command.INFO, [])[1]))

    def _pack(self, message: link.PackMessage, start: int, end: int) -> None:
        pack, _ = open_pack(message.raw, lambda _kid, signed, signature: verifies(self.public, signed, signature))
        chain = self.chains.setdefault(pack.device, FateChain())
        place, its_hash = (pack.boot, pack.sequence), pack_hash(message.raw)
        oldest = (message.oldest_boot, message.oldest_sequence)
        chain.oldest = max(chain.oldest, oldest)
        verdict = judge(chain.head, pack, oldest)
        if isinstance(verdict, Extends):
            chain.gaps += [f"{pack.device}: {gap}" for gap in verdict.gaps]
            chain.taken.append(Taken(pack, its_hash, end, bool(verdict.gaps)))
            chain.raw[place] = its_hash
        elif isinstance(verdict, Earlier):
            known = chain.raw.get(place) or chain.late.setdefault(place, its_hash)
            if known != its_hash:
                raise Violation(f"two histories: {pack.device} {place} came with another content")
            self.repeated += 1
            chain.again[place] = end
        elif isinstance(verdict, OutOfOrder):
            self.send(link.Error(link.OUT_OF_ORDER, "packs before this one come first"))
            return
        elif isinstance(verdict, Leaps):
            raise Violation(f"{pack.device}: {verdict.text}")
        self.send(link.Ack(pack.device, pack.boot, pack.sequence, its_hash))

    def _give_up(self, said: link.GivenUp) -> None:
        """As intake.Intake does: refused while it would take the packs, else what is missing is named, once."""
        chain = self.chains.setdefault(said.device, FateChain())
        place = (said.boot, said.sequence)
        if said.held:
            self.send(link.Error(link.REFUSED, "its packs are still taken"))
            return
        if said.boot and (chain.head is None or chain.head.hash != said.hash) and chain.given_up < place:
            chain.gaps += [f"{said.device}: {gap}" for gap in given_up(chain.head, said.boot)]
            chain.given_up = place
        self.send(link.Ack(said.device, said.boot, said.sequence, said.hash))


def noisy(random: Random, one_in: int) -> Callable[[int], int]:
    """One byte in so many comes as another."""
    return lambda value: value ^ random.randrange(1, 256) if random.randrange(one_in) == 0 else value
