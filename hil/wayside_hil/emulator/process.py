"""The Python side of the emulated board: commands to the child process, events back, in lock-step."""

import json
import os
import selectors
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from .. import events
from ..board import ALL, Board
from .firmware import flash_of
from .install import HERE, install

# Real time that one command may take; a simulated second takes a few real ones at worst.
_PATIENCE_S = 300


class EmulatorError(Exception):
    """The child process died, hung or reported an error."""


class SpiDevice(Protocol):
    """What hangs on an SPI. Its board shows it every event and byte in the order in which they happen."""

    @property
    def pins(self) -> dict[int, int]:
        """The levels that it drives the board's pins to."""

    @property
    def due(self) -> int | None:
        """When something happens in it by itself, in ns."""

    def watch(self, event: events.Event) -> None:
        """Something that the board did."""

    def exchange(self, value: int, at_ns: int) -> int:
        """A byte of the board's, over now; returns the one that came back meanwhile."""

    def wake(self, at_ns: int) -> None:
        """It is the time that was due."""


class I2cBus(Protocol):
    """The chips on an I2C, byte by byte."""

    def connect(self, address: int, reads: bool) -> bool:
        """A start and an address; whether a chip acknowledges it."""

    def write(self, value: int) -> bool:
        """A byte to the chip; whether it acknowledges."""

    def read(self) -> int:
        """The next byte of the chip."""

    def stop(self) -> None:
        """The transaction is over."""


class Emulator(Board):
    """A Pico with this image in its flash, powered up at time 0. Nothing happens but in run().

    Every call gives the same events for the same calls before it: time is simulated, random numbers come from `seed`.
    """

    has = ALL
    place = "the emulator"

    def __init__(self, image: Path, flash: Path | None = None, *, usb: bool = True, seed: int = 1):
        """image: a UF2, ELF or BIN file. flash: a file that keeps the flash's 2 MiB; one that exists already is used
        instead of the image. usb: whether a host is plugged in. MissingError, FirmwareError, OSError."""
        self._scratch = tempfile.TemporaryDirectory(prefix="wayside-flash-")
        self.flash = flash or Path(self._scratch.name) / "flash.bin"
        if not self.flash.exists():
            self.flash.write_bytes(flash_of(image))
        self._now = 0
        self.cut_is_due = False  # after the beginning of a flash operation that has not come yet
        self._seen: list[events.Event] = []
        self._devices: dict[int, SpiDevice] = {}
        self._buses: dict[int, I2cBus] = {}
        self._options = (str(int(usb)), str(seed))
        self._so_far: list[dict[str, Any]] | None = []
        self._told_with_next: list[dict[str, Any]] = []  # one line for all of it: a change of process costs much more
        self._process = self._started()
        self._rest = b""

    def _started(self) -> "subprocess.Popen[bytes]":
        place = install()
        return subprocess.Popen(
            [place.node, HERE / "main.js", self.flash, place.bootrom, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"NODE_PATH": str(place.modules)},
        )

    @property
    def now(self) -> int:
        """Simulated nanoseconds since the first power-up."""
        return self._now

    @property
    def is_fresh(self) -> bool:
        """Whether it has not run yet."""
        return self._so_far is not None

    def exchange_flash(self, content: bytes) -> None:
        """Before anything has run: this content of the flash, as if another board lay on the bench."""
        commands, self._so_far, self._told_with_next = self._so_far, [], []
        assert commands is not None, "it has run"
        self._end()
        self.flash.write_bytes(content)
        self._process = self._started()
        for command in commands:
            self._command(command)

    def run(self, until_ns: int) -> list[events.Event]:
        """Let the board work until this time; returns what it did since the last run(), in order."""
        self._so_far = None
        self._command({"run": until_ns})
        seen, self._seen = self._seen, []
        return seen

    def run_for(self, span_ns: int) -> list[events.Event]:
        return self.run(self.now + span_ns)

    def rest(self, until_ns: int, nap_ns: int) -> list[events.Event]:
        """As run(), but until the board does something, or has worked for a second, at the latest. While its processor
        sleeps and nothing is on a line, what would wake it comes up to `nap_ns` late: hours in which little happens
        take seconds."""
        self._so_far = None
        self._command({"run": until_ns, "nap": nap_ns})
        seen, self._seen = self._seen, []
        return seen

    def start_run(self, span_ns: int) -> None:
        """Let the board begin to work; nothing else may be asked of it before end_run()."""
        self._so_far = None
        self._say([*self._told_with_next, {"run": self.now + span_ns}])
        self._told_with_next = []

    def end_run(self) -> list[events.Event]:
        """What it did, when it is done."""
        self._answer_questions()
        seen, self._seen = self._seen, []
        return seen

    def send_uart(
        self, uart: int, data: bytes, baud: int, at_ns: int | None = None, parity: str = "N", bits: int | None = None
    ) -> int:
        """Bytes into the UART's RX pin, back to back from `at_ns` (now) on; returns when the last stop bit ends.

        bits: of a character, start, parity and stop bits included.
        """
        start = max(self.now, at_ns or 0)
        bits = bits or (10 if parity == "N" else 11)
        bit_ns = 1e9 / baud
        command = {"uart": uart, "data": data.hex(), "at": start, "bit_ns": bit_ns, "bits": bits, "parity": parity}
        self._later(command)
        byte_ns = bits * bit_ns
        for place, value in enumerate(data):
            begin, end = round(start + place * byte_ns), round(start + (place + 1) * byte_ns)
            self._told([events.UartInput(uart, value, begin, end, bit_ns)])
        return start + round(len(data) * byte_ns)

    def set_pin(self, pin: int, level: int, at_ns: int | None = None) -> None:
        """Drive an input pin from outside."""
        self._later({"pin": pin, "level": level, "at": at_ns or self.now})
        self._told([events.PinInput(at_ns or self.now, pin, level)])

    def set_analogue(self, channel: int, level: int, at_ns: int | None = None) -> None:
        """What the converter's input reads from then (now) on: 0 to 4095. Channel 3 is on GPIO 29."""
        self._later({"adc": channel, "level": level, "at": at_ns or self.now})

    def set_crystal(self, ppm: int, at_ns: int | None = None) -> None:
        """From then (now) on the board's clock is too fast by this; times here and in events stay the world's."""
        self._later({"ppm": ppm, "at": at_ns or self.now})

    def send_usb(self, data: bytes, at_ns: int | None = None) -> None:
        """Bytes typed at the USB console."""
        self._later({"usb": data.hex(), "at": at_ns or self.now})

    def set_usb_reads(self, reads: bool) -> None:
        """Whether the host fetches what the board writes on USB: a terminal that is stopped does not."""
        self._later({"usb_reads": reads, "at": self.now})

    def attach_spi(self, spi: int, device: SpiDevice) -> None:
        """Put a device on an SPI, from now on."""
        self._devices[spi] = device
        self._command({"attach_spi": spi})

    def attach_i2c(self, number: int, bus: I2cBus) -> None:
        """Put chips on an I2C, from now on."""
        self._buses[number] = bus
        self._command({"attach_i2c": number})

    def wake_spi(self, spi: int) -> None:
        """What is due in the device on this SPI has changed without the board."""
        self._later({"wake_spi": spi, "at": self._devices[spi].due})

    def flip(self, offset: int, mask: int) -> None:
        """Bits of a byte of the flash turn over, now."""
        self._command({"flip": offset, "mask": mask})

    def cut_power(self, at_ns: int | None = None) -> None:
        """The supply fails (now): memory and peripherals are gone, a flash operation stays half done."""
        self._later({"cut": self.now if at_ns is None else at_ns})

    def cut_power_in_flash(self, skip: int, after_ns: int) -> None:
        """The supply fails so long after the beginning of the flash operation that comes after `skip` others."""
        self._later({"cut_in_flash": skip, "after": after_ns})
        self.cut_is_due = True

    def restore_power(self, at_ns: int | None = None) -> None:
        """The supply is back (now): the board boots."""
        self._later({"restore": self.now if at_ns is None else at_ns})

    def close(self) -> None:
        """Stop the child; the flash file stays when it was given."""
        self._end()
        self._scratch.cleanup()

    def _end(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _later(self, command: dict[str, Any]) -> None:
        """Tell it with whatever comes next: time goes on in run() only."""
        if self._so_far is not None:
            self._so_far.append(command)
        self._told_with_next.append(command)

    def _command(self, command: dict[str, Any]) -> None:
        if self._so_far is not None:
            self._so_far.append(command)
        self._say([*self._told_with_next, command])
        self._told_with_next = []
        self._answer_questions()

    def _answer_questions(self) -> None:
        while question := self._hear():
            if "i2c" in question:
                self._say(self._ask_chips(self._buses[question["i2c"]], question))
            else:
                self._say(self._ask(self._devices[question["spi"]], question))

    def _ask(self, device: SpiDevice, question: dict[str, Any]) -> dict[str, Any]:
        value = 0
        if "value" in question:
            value = device.exchange(question["value"], question["at"])
            byte = events.SpiByte(question["at"], question["spi"], question["value"], value, question["start"])
            self._seen.append(byte)
        else:
            device.wake(question["at"])
        self._told(events.PinInput(question["at"], pin, level) for pin, level in device.pins.items())
        return {"value": value, "pins": device.pins, "wake": device.due}

    def _ask_chips(self, bus: I2cBus, question: dict[str, Any]) -> dict[str, Any]:
        ack, value = True, 0
        if "connect" in question:
            ack = bus.connect(question["connect"], question["reads"])
            what = f"{'read' if question['reads'] else 'write'} {question['connect']:#04x}"
        elif "write" in question:
            ack = bus.write(question["write"])
            what = f"> {question['write']:02x}"
        elif "read" in question:
            value = bus.read()
            what = f"< {value:02x}"
        else:
            bus.stop()
            what = "stop"
        self._told([events.I2cStep(self.now, question["i2c"], what if ack else what + " refused")])
        return {"ack": ack, "value": value}

    def _say(self, what: list[dict[str, Any]] | dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(what).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise EmulatorError("the emulator's process has died; its words are on stderr") from None

    def _hear(self) -> dict[str, Any] | None:
        """A question to a device; None: the command is done."""
        answer = json.loads(self._line())
        if "error" in answer:
            raise EmulatorError(answer["error"])
        self._now = answer["now"]
        new = [events.parse(event) for event in answer["events"]]
        self.cut_is_due = answer["cut_is_due"]
        self._seen += new
        for device in self._devices.values():
            for event in new:
                device.watch(event)
        question: dict[str, Any] | None = answer.get("ask")
        return question

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        handle = self._process.stdout.fileno()
        pieces = [self._rest]
        with selectors.DefaultSelector() as ready:
            ready.register(handle, selectors.EVENT_READ)
            while b"\n" not in pieces[-1]:
                if not ready.select(_PATIENCE_S):
                    self._process.kill()
                    raise EmulatorError(f"the emulator did not answer within {_PATIENCE_S} s")
                piece = os.read(handle, 1 << 20)
                if not piece:
                    raise EmulatorError("the emulator's process has died; its words are on stderr")
                pieces.append(piece)
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return line
