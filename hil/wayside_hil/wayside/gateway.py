"""The gateway's end of a node's link: it judges packs as the real one does, acknowledges, tells the time.

Whose signature counts is trust.registry's, order, gaps and repetitions are intake.order's; there is no log, so what is
acknowledged is not durable.
"""

from random import Random
from typing import Any, NamedTuple

from wayside.evidence import EvidenceError
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import NODE, REGISTERED, REVOKED, KeyBody
from wayside.intake.order import Extends, Gap, Head, Leaps, OutOfOrder, judge
from wayside.south import curves
from wayside.trust.keys import SoftwareKey
from wayside.trust.registry import Doorkeeper
from wayside_wire import WireError, frame, link
from wayside_wire.pack import NO_PREVIOUS, SYNCED, Pack, open_pack, pack_hash
from wayside_wire.session import GatewayEnd, NodeIdentity

from ..board import Board
from ..events import Event, Reset, UartByte

KEY = SoftwareKey(bytes(range(32)))
"""The gateway's, for a node's configuration."""

_START_UTC_MS = 1_790_000_000_000  # what the gateway's clock says at the board's power-up


class ArrivedPack(NamedTuple):
    """A pack; `start` and `end` of its frame on the link in ns."""

    pack: Pack
    raw: bytes
    start: int
    end: int


class LinkGateway:
    """On one UART. `packs`: each (boot, sequence) once, in order of arrival; `deaf`: it hears and answers nothing."""

    def __init__(self, board: Board, uart: int = 0, baud: int = 115200, utc_ms: int = _START_UTC_MS):
        self.public = b""  # the node's
        self.door = Doorkeeper(Keyring())
        self._node = ""
        self._devices: frozenset[str] = frozenset()
        self._entries = 0  # of the keyring
        self.deaf = False
        self.abouts: list[NodeIdentity] = []  # of each session
        self.sessions_ns: list[int] = []  # when each was confirmed
        self.packs: dict[tuple[int, int], ArrivedPack] = {}
        self.others: list[object] = []
        self.repeated = self.damaged = 0
        self.gaps: list[Gap] = []  # that the real one would have made entries of
        self.refused: list[str] = []  # why packs were
        self._heads: dict[tuple[str, bytes], Head] = {}
        self._board = board
        self._uart = uart
        self._baud = baud
        self._utc_ms = utc_ms
        self._decoder = frame.FrameDecoder()
        self._began: int | None = None
        self._outbox: list[bytes] = []
        self.restart()

    def restart(self, key: SoftwareKey = KEY) -> None:
        """Begin anew, as the gateway of this key; no session stands. Every run is the same."""
        self._end = GatewayEnd(key.public, key.sign, curves, Random(1).randbytes)

    def enrol(self, public: bytes, config: dict[str, Any]) -> None:
        """From now on this key counts, for the devices of its node's configuration, as `wayside flash` enrols it."""
        names = [meter["device"] for meter in config.get("meters", ())]
        names += [config["sensors"]["device"]] if config.get("sensors") else []
        self.public, self._node, self._devices = public, config["node"], frozenset(names)
        self._enter(REGISTERED)

    def revoke(self) -> None:
        """From now on the node's key counts no more, as `wayside keys revoke` has it."""
        self._enter(REVOKED)

    def _enter(self, event: str) -> None:
        devices = tuple(sorted(self._devices))
        self.door.keyring.take(self._entries, KeyBody(self.public, NODE, devices, event, holder=self._node))
        self._entries += 1

    def see(self, event: Event) -> None:
        if isinstance(event, Reset):
            self._decoder = frame.FrameDecoder()
            self._began = None
        if not isinstance(event, UartByte) or event.uart != self._uart or self.deaf:
            return
        if self._began is None:
            self._began = event.start
        for message in self._decoder.feed(bytes((event.value,))):
            self._take(message, self._began, event.end)
        if event.value == 0:
            self._began = None

    def settle(self, now_ns: int) -> None:
        for message in self._outbox:
            self._board.send_uart(self._uart, frame.encode(message), self._baud)
        self._outbox.clear()

    def send(self, message: object) -> None:
        """A message to the node, now, where a session stands."""
        if self._end.session:
            self._outbox.append(self._end.session.seal(message))

    def utc_ms(self, at_ns: int) -> int:
        """Its clock at that simulated time."""
        return self._utc_ms + at_ns // 1_000_000

    def _tell_time(self, asked: int) -> None:
        self.send(link.TimeMessage(self.utc_ms(self._board.now), SYNCED, asked))

    def check_chain(self) -> None:
        """Every pack names the one before it, from the very first on, without a gap; none was refused."""
        assert not self.refused, f"packs were refused: {self.refused}"
        previous = NO_PREVIOUS
        expected: dict[int, int] = {}
        for (boot, sequence), arrived in self.packs.items():
            assert arrived.pack.previous == previous, f"the chain is broken at boot {boot}, sequence {sequence}"
            assert sequence == expected.get(boot, 0), f"a gap before boot {boot}, sequence {sequence}"
            expected[boot] = sequence + 1
            previous = pack_hash(arrived.raw)

    def _take(self, data: bytes, start: int, end: int) -> None:
        try:
            message = link.decode(data)
        except WireError:
            self.damaged += 1
            return
        if isinstance(message, link.Hello):
            self._outbox.append(link.encode(self._end.welcome(message)))
        elif isinstance(message, link.Confirm):
            about = self._end.confirm(message, self.public)
            if about:
                self.abouts.append(about)
                self.sessions_ns.append(end)
                self._tell_time(0)
        elif isinstance(message, link.Sealed):
            self._open(message, start, end)

    def _open(self, sealed: link.Sealed, start: int, end: int) -> None:
        try:
            message = self._end.open(sealed)
        except WireError:
            self._outbox.append(link.encode(link.Error(link.NO_SESSION, "no session")))
            return
        if isinstance(message, link.AskTime):
            self._tell_time(sealed.number)
        elif isinstance(message, link.PackMessage):
            self._pack(message, start, end)
        else:
            self.others.append(message)

    def _pack(self, message: link.PackMessage, start: int, end: int) -> None:
        """As intake.Intake does: the same judge, and the same answers."""
        try:
            pack, kid = open_pack(message.raw, self.door.verify)
            if pack.device not in self._devices:
                self._refuse(link.UNKNOWN_DEVICE, f"{pack.device} is not a device of node {self._node}")
                return
            self.door.admit(kid, self._node, pack.device)
        except (WireError, EvidenceError) as error:
            self._refuse(link.REFUSED, str(error))
            return
        place, chain = (pack.boot, pack.sequence), (pack.device, kid)
        verdict = judge(self._heads.get(chain), pack, (message.oldest_boot, message.oldest_sequence))
        if isinstance(verdict, OutOfOrder):
            self.send(link.Error(link.OUT_OF_ORDER, f"packs before {pack.boot}/{pack.sequence} come first"))
            return
        if isinstance(verdict, Leaps):
            self._refuse(link.REFUSED, verdict.text)
            return
        if isinstance(verdict, Extends):
            self.gaps += verdict.gaps
            self._heads[chain] = Head(*place, pack_hash(message.raw))
            self.packs[place] = ArrivedPack(pack, message.raw, start, end)
        elif place in self.packs:
            self.repeated += 1
            assert self.packs[place].raw == message.raw, f"two histories: {place} came with other content"
        elif any(gap.boot == pack.boot and gap.first <= pack.sequence <= (gap.last or place[1]) for gap in self.gaps):
            self.packs[place] = ArrivedPack(pack, message.raw, start, end)
        else:
            self._refuse(link.REFUSED, f"{place} is before what the log has, and fills no named gap")
            return
        self.send(link.Ack(pack.device, pack.boot, pack.sequence, pack_hash(message.raw)))

    def _refuse(self, code: int, text: str) -> None:
        self.refused.append(text)
        self.send(link.Error(code, text))
