"""What a board does that the world around it can see. Times are simulated nanoseconds since the first power-up."""

from typing import Any, NamedTuple


class UartByte(NamedTuple):
    """A byte on a UART's TX pin: from the start bit's edge to the end of the last stop bit.

    bit_ns: 0 where it came from a port of this machine, which does not know.
    """

    at: int
    uart: int
    value: int
    start: int
    end: int
    bit_ns: float
    parity: str


class SpiByte(NamedTuple):
    """A byte that the board exchanged with the device on an SPI: `value` for `answer`, from `start` to `at`."""

    at: int
    spi: int
    value: int
    answer: int
    start: int


class PinEdge(NamedTuple):
    """An output pin changed; level None: it is no output any more."""

    at: int
    pin: int
    level: int | None


class UsbOutput(NamedTuple):
    """Bytes on the USB console."""

    at: int
    data: bytes


class FlashWork(NamedTuple):
    """An erase or program operation ended, or was cut by the supply after `done` of `size` bytes."""

    at: int
    kind: str
    offset: int
    size: int
    done: int
    start: int
    cut: bool


class Reset(NamedTuple):
    """Cause: power, watchdog, forced (machine.reset()), off (the supply failed), bootsel (waits as a USB volume)."""

    at: int
    cause: str


Event = UartByte | SpiByte | PinEdge | UsbOutput | FlashWork | Reset


class UartInput(NamedTuple):
    """A byte of the world's on a UART's RX pin. bit_ns: 0 where the port has its own baud."""

    uart: int
    value: int
    start: int
    end: int
    bit_ns: float


class PinInput(NamedTuple):
    """The world drives a pin from then on."""

    at: int
    pin: int
    level: int


class I2cStep(NamedTuple):
    """A start with an address, a byte, or a stop on an I2C, and whether it was acknowledged, in words."""

    at: int
    i2c: int
    what: str


Input = UartInput | PinInput | I2cStep
"""What the world does to a board, for traces: plants are not shown it."""


def parse(message: dict[str, Any]) -> Event:
    """An event of the child's answer. ValueError for one that says the firmware crashed."""
    fields = dict(message)
    kind = fields.pop("type")
    if kind == "uart":
        return UartByte(**fields)
    if kind == "pin":
        return PinEdge(**fields)
    if kind == "usb":
        return UsbOutput(fields["at"], bytes.fromhex(fields["data"]))
    if kind == "flash":
        return FlashWork(**fields)
    if kind == "reset":
        return Reset(**fields)
    raise ValueError(f"the firmware stopped at a breakpoint: {fields}")
