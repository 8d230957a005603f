"""An RS-485 line between the board's transceiver and modelled meters.

The node's driver is on the line while its enable pin (DE) is high. What it sends with DE low, or cuts off with DE, no
meter hears; who answers into an enabled driver is not understood.
"""

from collections.abc import Callable

from wayside_wire import modbus

from .emulator import Emulator, Event, PinEdge, Reset, UartByte

Answer = Callable[[bytes], bytes | None]
"""The body that answers a request's body, None when nobody on the line does (wayside.plant.answer_for)."""

_SILENCE_CHARACTERS = 3.5  # MODBUS over Serial Line V1.02, section 2.5.1.1


class Rs485Line:
    """Meters on one UART. `mute`: they are dead; `spoil(frame)` may change an answer on its way.

    releases: (bit times, characters) from the end of each request to the driver's release. cut: bytes that the driver
    left before they were over; unheard: bytes sent without it; collisions: answers that met the driver.
    """

    def __init__(
        self,
        emulator: Emulator,
        uart: int,
        enable_pin: int,
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
        self._emulator = emulator
        self._uart = uart
        self._pin = enable_pin
        self._answer = answer
        self._baud = baud
        self._parity = parity
        self._character_ns = (10 if parity == "N" else 11) * 1e9 / baud
        self._turnaround_ns = turnaround_ns
        self._driving = False
        self._driving_since = 0
        self._heard: list[UartByte] = []
        self._last: UartByte | None = None

    def see(self, event: Event) -> None:
        if isinstance(event, PinEdge) and event.pin == self._pin:
            self._drive(event)
        elif isinstance(event, UartByte) and event.uart == self._uart:
            self._hear(event)
        elif isinstance(event, Reset):
            self._driving = False
            self._heard.clear()

    def _drive(self, edge: PinEdge) -> None:
        self._driving = edge.level == 1
        if self._driving:
            self._driving_since = edge.at
        elif self._last is not None:
            self.releases.append((edge.at - self._last.end) / self._last.bit_ns)
            self._last = None

    def _hear(self, byte: UartByte) -> None:
        if self._driving and self._driving_since <= byte.start:
            self._heard.append(byte)
            self._last = byte
        elif self._driving:
            self.cut += 1
        else:
            self.unheard += 1

    def settle(self, now_ns: int) -> None:
        if not self._heard or now_ns - self._heard[-1].end < _SILENCE_CHARACTERS * self._character_ns:
            return
        frame = bytes(byte.value for byte in self._heard)
        start, end = self._heard[0].start, self._heard[-1].end
        same_rate = all(
            abs(byte.bit_ns * self._baud / 1e9 - 1) < 0.04 and byte.parity == self._parity for byte in self._heard
        )
        self._heard.clear()
        self.requests.append((start, end, frame))
        if self.mute or not same_rate:
            return
        if self._driving:
            self.collisions += 1
            return
        try:
            body = self._answer(modbus.rtu_body(frame))
        except modbus.ModbusError:
            return
        if body is None:
            return
        begin = end + round(_SILENCE_CHARACTERS * self._character_ns) + self._turnaround_ns
        reply = self.spoil(modbus.rtu_frame(body))
        done = self._emulator.send_uart(self._uart, reply, self._baud, begin, self._parity)
        self.answers.append((begin, done, reply))
