"""An RS-485 line between the board's transceiver and others: modelled meters, and who should not be there.

The node's driver is on the line while its enable pin (DE) is high. What it sends with DE low, or cuts off with DE, no
meter hears, and while DE is high the node hears nothing. Two drivers at once make garbage of both.
"""

from collections.abc import Callable
from typing import NamedTuple

from .board import Board
from .events import Event, PinEdge, Reset, UartByte

Answer = Callable[[bytes], bytes | None]
"""The frame that answers a request's frame, None when nobody on the line does."""

NODE, METER, OTHER = "node", "meter", "other"

_SILENCE_CHARACTERS = 3.5  # MODBUS over Serial Line V1.02, section 2.5.1.1
_AHEAD_NS = 1_000_000  # what others drive in so much time is told to the board, which then runs through it
_READ_NS = 4_000_000  # in real time: from the line to whoever reads it
_KEPT_NS = 100_000_000
_TOLERANCE = 0.04
_MOST = 257  # characters; a frame has 256 at most (section 2.5.1), so no more is kept of a line that is never idle


class Character(NamedTuple):
    """On the line from start bit to stop bit. readable: it has the meters' rate and parity."""

    start: int
    end: int
    value: int
    driver: str
    readable: bool = True

    def meets(self, other: "Character") -> bool:
        return self.driver != other.driver and self.start < other.end and other.start < self.end


class Rs485Line:
    """Meters on one UART. `mute`: they are dead; `spoil(frame)` may change an answer on its way.

    enable_pin: the driver's; None: it is switched by itself, as an adapter's is.

    releases: (bit times, characters) from the end of each request to the driver's release. cut: bytes that the driver
    left before they were over; unheard: bytes sent without it; collisions: characters that met another driver.
    """

    def __init__(
        self,
        board: Board,
        uart: int,
        enable_pin: int | None,
        answer: Answer,
        *,
        baud: int = 9600,
        parity: str = "N",
        turnaround_ns: int = 10_000_000,
    ):
        self.mute = False
        self.spoil: Callable[[bytes], bytes] = lambda frame: frame
        self.releases: list[float] = []
        self.requests: list[tuple[int, int, bytes]] = []
        self.answers: list[tuple[int, int, bytes]] = []
        self.cut = self.unheard = self.collisions = 0
        self._board = board
        self._uart = uart
        self._pin = enable_pin
        self._answer = answer
        self._baud = baud
        self._parity = parity
        self._character_ns = (10 if parity == "N" else 11) * 1e9 / baud
        self._turnaround_ns = turnaround_ns
        self._driving = False
        self._driving_since = self._driving_until = 0
        self._line: list[Character] = []  # lately, and what others are going to drive
        self._planned: list[Character] = []  # of these what the board does not know yet
        self._request: list[Character] = []  # what the meters have heard since a silence
        self._last: UartByte | None = None

    @property
    def due(self) -> int | None:
        """When settle() has something to do, should the board do nothing: it is told the next byte, or a request is
        over."""
        times = [min(each.start for each in self._planned) - _AHEAD_NS] if self._planned else []
        if self._request:
            times.append(max(each.end for each in self._request) + round(_SILENCE_CHARACTERS * self._character_ns))
        return min(times, default=None)

    def talk(self, data: bytes, at_ns: int | None = None) -> int:
        """Somebody else drives the line with this, now or then; returns when it is over."""
        return self._drive(data, max(self._board.now, at_ns or 0), OTHER)

    def see(self, event: Event) -> None:
        if isinstance(event, PinEdge) and event.pin == self._pin:
            self._enable(event)
        elif isinstance(event, UartByte) and event.uart == self._uart:
            self._hear(event)
        elif isinstance(event, Reset):
            self._driving, self._driving_until = False, event.at
            self._request = [each for each in self._request if each.driver != NODE]

    def settle(self, now_ns: int) -> None:
        self._tell_board(now_ns + _AHEAD_NS)
        self._tell_meters(now_ns)
        self._line = [each for each in self._line if each.end > now_ns - _KEPT_NS]

    def _enable(self, edge: PinEdge) -> None:
        self._driving = edge.level == 1
        if self._driving:
            self._driving_since = edge.at
            return
        self._driving_until = edge.at
        if self._last is not None:
            self.releases.append((edge.at - self._last.end) / self._last.bit_ns)
            self._last = None

    def _hear(self, byte: UartByte) -> None:
        if self._pin is None:
            self._driving_since, self._driving_until = byte.start, byte.end
        if self._pin is None or (self._driving and self._driving_since <= byte.start):
            right = abs(byte.bit_ns * self._baud / 1e9 - 1) < _TOLERANCE and byte.parity == self._parity
            readable = right or not byte.bit_ns  # nobody knows of a byte that came from a port
            character = Character(byte.start, byte.end, byte.value, NODE, readable)
            self._line.append(character)
            self._request.append(character)
            self._last = byte
        elif self._driving:
            self.cut += 1
        else:
            self.unheard += 1

    def _drive(self, data: bytes, begin: int, driver: str) -> int:
        for place, value in enumerate(data):
            start = begin + round(place * self._character_ns)
            character = Character(start, start + round(self._character_ns), value, driver)
            self._line.append(character)
            self._planned.append(character)
        return begin + round(len(data) * self._character_ns)

    def _tell_board(self, until_ns: int) -> None:
        """What others drive until then. The board's receiver is off while its driver is on."""
        if self._board.real_time:
            self._tell_whole_frame()
        due = [each for each in self._planned if each.end <= until_ns]
        self._planned = [each for each in self._planned if each.end > until_ns]
        for each in sorted(due):
            value = self._on_line(each)
            if each.driver == OTHER:
                self._request.append(each._replace(value=value))
            if not self._meets_driver(each):
                self._board.send_uart(self._uart, bytes((value,)), self._baud, each.start, self._parity)

    def _tell_whole_frame(self) -> None:
        """In real time the adapter has the bytes one behind the other, whatever this machine does meanwhile."""
        frame = bytes(each.value for each in sorted(self._planned))
        self._request += [each for each in self._planned if each.driver == OTHER]
        self._planned = []
        if frame:
            self._board.send_uart(self._uart, frame, self._baud)

    def _tell_meters(self, now_ns: int) -> None:
        """They take what lies between two silences for a request."""
        if not self._request:
            return
        heard = sorted(self._request, key=lambda each: each.start)  # those read at once have one time
        end = max(each.end for each in heard)
        if now_ns - end < max(_SILENCE_CHARACTERS * self._character_ns, _READ_NS if self._board.real_time else 0):
            self._request = heard[-_MOST:]
            return
        self._request = []
        frame = bytes(self._on_line(each) if each.driver == NODE else each.value for each in heard)
        self.requests.append((heard[0].start, end, frame))
        if self.mute or not all(each.readable for each in heard):
            return
        answered = self._answer(frame)
        if answered is None:
            return
        begin = end + round(_SILENCE_CHARACTERS * self._character_ns) + self._turnaround_ns
        reply = self.spoil(answered)
        self.answers.append((begin, self._drive(reply, begin, METER), reply))

    def _on_line(self, character: Character) -> int:
        """What a receiver makes of it: where two drive, a bit that one of them pulls down is down."""
        met = [other for other in self._line if character.meets(other)]
        if met or (character.driver != NODE and self._meets_driver(character)):
            self.collisions += 1
        value = character.value
        for other in met:
            value &= other.value ^ 0xAA  # the other one's bits lie elsewhere
        return value

    def _meets_driver(self, character: Character) -> bool:
        """Whether the node's driver is on meanwhile."""
        until = character.end if self._driving else self._driving_until
        return self._driving_since < character.end and character.start < until
