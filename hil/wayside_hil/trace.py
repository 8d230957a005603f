"""What a board and its plants did, as a file for wave viewers (VCD, IEEE 1364-2005 section 18) and as a picture (SVG).

A plug on a World, like the plants: bytes with their true times, pins, resets, what a reader makes of a UART's bytes;
and what the world did to the board: bytes into a UART, levels of pins, the chips on an I2C.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from vcd import VCDWriter

from .events import Event, I2cStep, Input, PinEdge, PinInput, Reset, SpiByte, UartByte, UartInput
from .world import World

_WIDTH, _LANE, _LEFT = 1200, 46, 90
Scale = Callable[[float], float]
"""Where on the picture a time is."""

_SHOWN_NS = 600_000_000  # the picture has the last of it; the file has all


Reader = Callable[[int], Iterable[str]]
"""Takes a UART's bytes one by one and says each message that is complete."""


class Trace:
    """Keeps every event. readers: by the UART's number a lane's name and what makes a new reader for it."""

    def __init__(self, readers: Mapping[int, tuple[str, Callable[[], Reader]]] | None = None):
        self._readers = readers or {}
        self._events: list[Event] = []
        self._inputs: list[Input] = []
        self._levels: dict[int, int] = {}

    def watch(self, world: World) -> None:
        """From now on."""
        world.plugs.append(self)
        world.emulator.watcher = self._hear

    def see(self, event: Event) -> None:
        if isinstance(event, (PinEdge, Reset, SpiByte, UartByte)):
            self._events.append(event)

    def settle(self, now_ns: int) -> None:
        """Nothing to answer."""

    def _hear(self, told: Input) -> None:
        if isinstance(told, PinInput):  # a device says all its pins with each byte
            if self._levels.get(told.pin) == told.level:
                return
            self._levels[told.pin] = told.level
        self._inputs.append(told)

    def write_vcd(self, path: Path) -> None:
        with path.open("w") as file:
            self._write(file)

    def _write(self, file: TextIO) -> None:
        changes = sorted(self._changes(), key=lambda change: change[0])
        with VCDWriter(file, timescale="1 ns", date="") as writer:
            variables = {}
            spoken = {name for name, _ in self._readers.values()}
            for name in sorted({name for _, name, _ in changes}):
                kind, size, first = ("string", None, "") if name in spoken else _kind(name)
                variables[name] = writer.register_var("board", name, kind, size=size, init=first)
            for time_ns, name, value in changes:
                writer.change(variables[name], time_ns, value)

    def _changes(self) -> Iterator[tuple[int, str, int | str]]:
        readers = {uart: (name, make()) for uart, (name, make) in self._readers.items()}
        for event in self._events:
            if isinstance(event, PinEdge):
                yield event.at, f"pin{event.pin}", "z" if event.level is None else event.level
            elif isinstance(event, Reset):
                yield event.at, "reset", event.cause
            elif isinstance(event, SpiByte):
                yield event.start, f"spi{event.spi}_mosi_byte", event.value
                yield event.at, f"spi{event.spi}_miso_byte", event.answer
            elif isinstance(event, UartByte):
                yield event.start, f"uart{event.uart}_byte", event.value
                yield event.start, f"uart{event.uart}_busy", 1
                yield event.end, f"uart{event.uart}_busy", 0
                name, read = readers.get(event.uart, ("", None))
                for words in read(event.value) if read else ():
                    yield event.end, name, words
        yield from self._changes_from_outside()

    def _changes_from_outside(self) -> Iterator[tuple[int, str, int | str]]:
        for event in self._inputs:
            if isinstance(event, UartInput):
                yield event.start, f"uart{event.uart}_rx_byte", event.value
                yield event.start, f"uart{event.uart}_rx_busy", 1
                yield event.end, f"uart{event.uart}_rx_busy", 0
            elif isinstance(event, PinInput):
                yield event.at, f"pin{event.pin}_in", event.level
            else:
                yield event.at, f"i2c{event.i2c}", event.what

    def svg(self) -> str:
        """The last 600 ms: a lane for each UART and its other direction, SPI, I2C and pin."""
        everything: list[Event | Input] = [*self._events, *self._inputs]
        end = max((event.at for event in self._events), default=0)
        first = max(0, end - _SHOWN_NS)
        events = [event for event in everything if first <= _when(event) <= end]
        lines = sorted({byte.line for byte in map(_byte, everything) if byte})
        pins = sorted({(event.pin, _pin(event)) for event in everything if isinstance(event, (PinEdge, PinInput))})
        lanes = lines + [name for _, name in pins]
        height = _LANE * max(1, len(lanes)) + 30
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="monospace"',
            ' font-size="12">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        ]

        def x(time_ns: float) -> float:
            return round(_LEFT + (_WIDTH - _LEFT - 10) * (time_ns - first) / _SHOWN_NS, 1)

        for number, name in enumerate(lanes):
            top = 8 + number * _LANE
            parts.append(f'<text x="6" y="{top + 20}">{name}</text>')
            parts += _bytes(events, name, top, x) if name in lines else [_edges(events, name, top, x, end)]
        parts.append(f'<text x="{_LEFT}" y="{height - 8}">{first / 1e6:.3f} ms</text>')
        parts.append(f'<text x="{_WIDTH - 10}" y="{height - 8}" text-anchor="end">{end / 1e6:.3f} ms</text></svg>')
        return "\n".join(parts)


def _kind(name: str) -> tuple[str, int | None, str | int]:
    if name.endswith("_byte"):
        return "reg", 8, "x"
    if name == "reset" or name.startswith("i2c"):
        return "string", None, ""
    return "wire", 1, "z" if name.startswith("pin") else 0


class _Byte(NamedTuple):
    line: str
    start: int
    end: int
    text: str


def _when(event: Event | Input) -> int:
    return event.end if isinstance(event, UartInput) else event.at


def _pin(event: PinEdge | PinInput) -> str:
    return f"pin{event.pin}_in" if isinstance(event, PinInput) else f"pin{event.pin}"


def _byte(event: Event | Input) -> _Byte | None:
    if isinstance(event, UartInput):
        return _Byte(f"uart{event.uart}_rx", event.start, event.end, f"{event.value:02x}")
    if isinstance(event, I2cStep):
        return _Byte(f"i2c{event.i2c}", event.at, event.at, event.what)
    if isinstance(event, UartByte):
        return _Byte(f"uart{event.uart}", event.start, event.end, f"{event.value:02x}")
    if isinstance(event, SpiByte):
        return _Byte(f"spi{event.spi}", event.start, event.at, f"{event.value:02x} for {event.answer:02x}")
    return None


def _bytes(events: Iterable[Event | Input], name: str, top: int, x: Scale) -> Iterator[str]:
    for byte in map(_byte, events):
        if byte and byte.line == name:
            left, right = x(byte.start), x(byte.end)
            width = round(max(0.8, right - left), 1)
            # Viewers show a title when it is pointed at.
            box = f'x="{left}" y="{top}" width="{width}" height="30"'
            yield f'<rect {box} fill="#369"><title>{byte.text}</title></rect>'


def _edges(events: Iterable[Event | Input], name: str, top: int, x: Scale, end: int) -> str:
    edges = [event for event in events if isinstance(event, (PinEdge, PinInput)) and name == _pin(event)]
    level = 1 - (edges[0].level or 0) if edges else 0
    points: list[tuple[float, int]] = [(_LEFT, level)]
    for edge in edges:
        points += [(x(edge.at), level), (x(edge.at), edge.level or 0)]
        level = edge.level or 0
    points.append((x(end), level))
    drawn = " ".join(f"{at},{top + 28 - 26 * height}" for at, height in points)
    return f'<polyline points="{drawn}" fill="none" stroke="#c60"/>'
