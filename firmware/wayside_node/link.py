"""The link to the gateway: packs out until each is acknowledged, time in, all of it sealed (handshake.py).

Nothing here waits: step() takes what has arrived, sends what is due, and returns. Every device has a queue of its own,
so that a pack which the gateway refuses holds up its own device only. The port is a UART or a file that never blocks.
"""

from micropython import const
from wayside_wire import WireError, frame, link
from wayside_wire.pack import HOLDOVER

from .handshake import Handshake

WINDOW = const(4)  # packs of a device on their way at once
_ACK_MS = const(1000)  # what the gateway may take to acknowledge, besides the time on the wire
_LAST_BACKOFF_MS = const(30000)
_HANDSHAKE = const(640)  # bytes of hello, welcome, confirmation and the first time
_ASK_MS = const(1000)
_TIME_AGE_MS = const(60000)  # the time is asked for when it is older
_PROMPT_MS = const(2000)  # an answer that took longer may be as much behind: it is worth no more than holdover
_LATE_MS = const(30000)  # and one that took so long is worth nothing
_SILENCE_MS = const(150000)  # a gateway that seals nothing for so long has perhaps lost the session
_STALL_MS = const(2000)
_LOOK = const(4)  # buffers that a step takes: a frame, and no less than a board's UART keeps


def wire_ms(baud: int, size: int) -> int:
    """Time of `size` bytes on a line with 10 bits per byte, rounded up."""
    return -(-size * 10000 // baud)


class _Flying:
    """A pack that was sent and is not released yet."""

    def __init__(self, start, stored):
        self.start = start  # the position to read it from again
        self.end = stored.end
        self.boot = stored.boot
        self.sequence = stored.sequence
        self.hash = stored.hash
        self.acknowledged = False


class LinkQueue:
    """A device's journal as the link sees it: a window from the oldest pack on, and back to it in time."""

    def __init__(self, device: str, journal, ack_ms: int, jitter):
        """ack_ms: how long an acknowledgement may take; jitter(limit): a random integer from 0 to below limit."""
        self.device = device
        self.journal = journal
        self._ack_ms = ack_ms
        self._jitter = jitter
        self._flying = []
        self._turn = 0  # index in _flying of the next one to send; its length when all are sent
        self._next = journal.first
        self._attempts = 0  # times that the oldest was sent again without an answer
        self._retry_at = 0

    def due(self, now_ms: int):
        """(oldest boot, oldest sequence, pack bytes) of a pack to send now, None when there is none."""
        self._forget_dropped()
        if self._flying and now_ms >= self._retry_at:
            self._attempts += 1
            self._turn = 0
            self._restart(now_ms)
        # After a silence only the oldest goes out, as a question whether anybody is there.
        window = 1 if self._attempts else WINDOW
        while self._turn < min(len(self._flying), window):
            flying = self._flying[self._turn]
            stored = None if flying.acknowledged else self.journal.read(flying.start)
            if stored is not None and stored.end == flying.end:
                self._turn += 1
                return self._offer(stored)
            if flying.acknowledged:
                self._turn += 1
            else:
                self._flying.pop(self._turn)  # it cannot be read back; the journal has counted it
        if len(self._flying) >= window:
            return None
        stored = self.journal.read(self._next)
        if stored is None:
            return None
        if not self._flying:
            self._restart(now_ms)
        self._flying.append(_Flying(self._next, stored))
        self._turn += 1
        self._next = stored.end
        return self._offer(stored)

    def is_idle(self) -> bool:
        """Whether no pack is on its way."""
        return not self._flying

    def retry(self) -> None:
        """Ask again now: there may be somebody after a silence."""
        if self._attempts:
            self._retry_at = 0

    def acknowledge(self, ack, now_ms: int) -> bool:
        """Whether the link.Ack is for a pack on its way; then it is released as soon as all before it are."""
        for flying in self._flying:
            if (flying.boot, flying.sequence, flying.hash) == (ack.boot, ack.sequence, ack.hash):
                break
        else:
            return False
        flying.acknowledged = True
        while self._flying and self._flying[0].acknowledged:
            self.journal.release(self._flying.pop(0).end)
            self._turn = max(0, self._turn - 1)
            self._attempts = 0
            self._restart(now_ms)
        return True

    def _offer(self, stored):
        oldest = self._flying[0]
        return oldest.boot, oldest.sequence, stored.raw

    def _restart(self, now_ms: int) -> None:
        backoff_ms = min(self._ack_ms << min(self._attempts, 10), _LAST_BACKOFF_MS) if self._attempts else 0
        self._retry_at = now_ms + self._ack_ms + (self._jitter(backoff_ms) if backoff_ms else 0)

    def _forget_dropped(self) -> None:
        first = self.journal.first
        while self._flying and self._flying[0].end <= first:
            self._flying.pop(0)
            self._turn = max(0, self._turn - 1)
        if self._next < first:
            self._next = first


class NodeLinkEnd:
    """One link to one gateway. `counts` says what came, what went and what was wrong; `last_error` is the gateway's."""

    def __init__(self, baud: int, clock, end, jitter, report):
        """end: the session.NodeEnd of this boot; report(text): for people."""
        self._port = None
        self._clock = clock
        self._jitter = jitter
        self._report = report
        self._ack_ms = _ACK_MS + WINDOW * wire_ms(baud, frame.MAX_FRAME)
        self._handshake = Handshake(end, clock, jitter, wire_ms(baud, _HANDSHAKE))
        self._queues = []
        self._decoder = frame.FrameDecoder()
        self._buffer = bytearray(256)
        self._rest = b""  # bytes still to be written
        self._rest_since = 0
        self._asked = None  # (number of the question for the time that is open, when it was asked)
        self._ask_at = 0
        self._ask_ms = _ASK_MS
        self._heard_at = 0
        self.counts = {}
        self.last_error = ""
        self.command = None  # raw, waits for the manager; one at a time
        self._given_up = None  # the GivenUp that waits for its acknowledgement
        self.reached = False  # the gateway has sealed a message
        self.on_served = lambda: None  # called when it has acknowledged a pack, or spoken while there is none

    def attach(self, port) -> None:
        """Use this port from now on."""
        self._port = port
        self._decoder.feed(b"\x00")
        self._rest = b"\x00"  # ends whatever half a frame went out before
        self._rest_since = self._clock.now()
        self._retry()

    def add(self, device: str, journal) -> None:
        """Send what is in this device's journal."""
        self._queues.append(LinkQueue(device, journal, self._ack_ms, self._jitter))

    def remove(self, device: str) -> None:
        """Send no more of this device."""
        self._queues = [queue for queue in self._queues if queue.device != device]
        self._given_up = None

    @property
    def has_session(self) -> bool:
        return self._handshake.session is not None

    def give_up(self, message) -> None:
        """Say a link.GivenUp, of one device at a time."""
        self._given_up = message
        self.send(message)

    def is_given_up(self, device: str) -> bool:
        """Whether the gateway has acknowledged that."""
        return self._given_up == device

    def step(self) -> None:
        """Take what has arrived and send what is due, as far as the port takes it."""
        self._listen()
        now = self._clock.now()
        if not self._flush(now):
            return
        hello = self._handshake.due()
        if hello:
            self._put(link.encode(hello), now)
        if not self._handshake.session:
            return
        self._ask(now)
        # Each device in turn, so that a long backlog of one does not delay another's live packs.
        idle = 0
        while idle < len(self._queues) and self._flush(now):
            queue = self._queues.pop(0)
            self._queues.append(queue)
            due = queue.due(now)
            if due is None:
                idle += 1
                continue
            idle = 0
            self._count("packs sent")
            self.send(link.PackMessage(*due))

    def untidy(self) -> bool:
        """Whether tidy() would write."""
        return any([queue.journal.untidy() for queue in self._queues])

    def tidy(self) -> None:
        """Free the flash of what is acknowledged. Not while a bus transaction is open."""
        for queue in self._queues:
            queue.journal.tidy()

    def agreement_due(self) -> bool:
        """Whether agree() has something to do."""
        return self._handshake.is_ready()

    def agree(self) -> None:
        """Agree with the gateway on a session. Takes long: not while a bus transaction is open."""
        confirm = self._handshake.agree()
        if confirm:
            self._put(link.encode(confirm), self._clock.now())
        else:
            self._count("welcomes forged")

    def send(self, message) -> None:
        """Say this as soon as what was begun before is through; nothing where no session stands."""
        if self._handshake.session:
            self._put(self._handshake.session.seal(message), self._clock.now())

    # --- out ---

    def _ask(self, now: int) -> None:
        if now - self._heard_at > _SILENCE_MS:
            self._handshake.begin()
        if now < self._ask_at or not self._clock.wants_time(_TIME_AGE_MS):
            return
        self.send(link.AskTime())
        self._asked = (self._handshake.session.sent, now)
        self._ask_at = now + _ASK_MS + self._jitter(self._ask_ms)
        self._ask_ms = min(2 * self._ask_ms, _LAST_BACKOFF_MS)

    def _retry(self) -> None:
        for queue in self._queues:
            queue.retry()

    def _put(self, data: bytes, now: int) -> None:
        self._rest += frame.encode(data)
        self._rest_since = now
        self._flush(now)

    def _flush(self, now: int) -> bool:
        """Whether everything is written. What a stuck port does not take is given up: it is sent again anyway."""
        if not self._rest:
            return True
        written = self._port.write(self._rest)
        if written:
            self._rest = self._rest[written:]
            self._rest_since = now
        elif now - self._rest_since > _STALL_MS:
            self._count("stalled")
            self._rest = b"\x00"
            self._rest_since = now
        return not self._rest

    # --- in ---

    def _listen(self) -> None:
        # So much and no more: on a line without end (a computer's boot messages, noise) others have their turn.
        decoder = self._decoder
        for _ in range(_LOOK):
            size = self._port.readinto(self._buffer)
            if not size:
                return
            for message in decoder.feed(bytes(memoryview(self._buffer)[:size])):
                self._take(message)
            self.counts["crc errors"] = decoder.crc_errors
            self.counts["oversize frames"] = decoder.oversize

    def _take(self, data: bytes) -> None:
        try:
            message = link.decode(data)
        except WireError as error:
            self._count("bad messages")
            self.last_error = str(error)
            return
        if isinstance(message, link.Sealed):
            self._open(message)
        elif isinstance(message, link.Welcome):
            self._handshake.hear(message)
        elif isinstance(message, link.Error):
            # Anybody may have said it.
            self._count("hints")
            self.last_error = "perhaps: %d %s" % (message.code, message.text)
            if message.code == link.NO_SESSION:
                self._handshake.begin()
        else:
            self._count("messages without a seal")

    def _open(self, sealed) -> None:
        handshake = self._handshake
        sessions = handshake.sessions
        try:
            message = handshake.open(sealed)
        except WireError:
            self._count("seals refused")
            return
        now = self._clock.now()
        self.reached = True
        self._heard_at = now
        if all([queue.is_idle() for queue in self._queues]):
            self.on_served()
        if handshake.sessions != sessions:
            self._count("sessions")
            self._asked = (0, handshake.confirmed_at)
            self._ask_at = now + _ASK_MS
            self._ask_ms = _ASK_MS
            self._retry()
        if isinstance(message, link.Ack):
            self._acknowledge(message)
        elif isinstance(message, link.TimeMessage):
            self._set_clock(message, now)
        elif isinstance(message, link.CommandMessage):
            if self.command is None:
                self.command = message.raw
            else:
                self._count("commands too fast")
        elif isinstance(message, link.Error):
            self._count("errors")
            self.last_error = "%d %s" % (message.code, message.text)
        else:
            self._count("bad messages")

    def _set_clock(self, message, now: int) -> None:
        """Somebody on the line can hold an answer back: it is believed as far as its question is young."""
        if self._asked is None or self._asked[0] != message.asked:
            self._count("times not asked for")
            return
        took_ms = now - self._asked[1]
        self._asked = None
        if took_ms > _LATE_MS:
            self._count("times too late")
            return
        self._count("times")
        quality = message.time_quality if took_ms <= _PROMPT_MS else min(message.time_quality, HOLDOVER)
        told = self._clock.set_utc(message.utc_ms, quality)
        if told:
            self._report(told)
        if not self._clock.wants_time(_TIME_AGE_MS):
            self._ask_ms = _ASK_MS

    def _acknowledge(self, ack) -> None:
        now = self._clock.now()
        if isinstance(self._given_up, link.GivenUp) and tuple(self._given_up)[:4] == tuple(ack):
            self._given_up = ack.device
        for queue in self._queues:
            if queue.device == ack.device and queue.acknowledge(ack, now):
                self._count("acknowledged")
                self.on_served()
                return
        self._count("foreign acknowledgements")

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
