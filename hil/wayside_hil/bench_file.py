"""The bench file: what hangs on the board, and what of a real one is wired to this machine. TOML.

[board]
image = "firmware.uf2"                    the program, beside this file; MicroPython, for Python files
files = ["settings.json", "www/*"]        what the application reads, beside its Python files
console = "usb"                           or "uart0", "uart1"
baud = 115200                             of a console on a UART

[plants.led]                              a plant by its name
kind = "led"                              what it is, where that is not its name
pin = 25                                  and how it is wired

[ports]                                   of a real board: adapters on its UARTs, by path, rfc2217:// or socket://
uart1 = { port = "/dev/ttyUSB0", baud = 9600 }

[power]                                   of a real board: commands that switch its supply
on = ["uhubctl", "-l", "1-1", "-a", "on"]
off = ["uhubctl", "-l", "1-1", "-a", "off"]
"""

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from .targets.serial import SupplySwitch

_KEYS = {
    "board": {"image", "files", "console", "baud"},
    "plants": None,
    "ports": {"uart0", "uart1"},
    "power": {"on", "off"},
}
_CONSOLES = {"usb": None, "uart0": 0, "uart1": 1}


class BenchFileError(Exception):
    """The file is none; the text says where and why."""


class BenchFile(NamedTuple):
    """files: patterns of names; console: number of its UART, None: USB; uarts: port and baud of the adapter on each."""

    image: Path | None = None
    files: tuple[str, ...] = ()
    console: int | None = None
    baud: int = 115_200
    plants: dict[str, dict[str, Any]] = {}
    uarts: dict[int, tuple[str, int]] = {}
    switch: SupplySwitch | None = None


def load(path: Path) -> BenchFile:
    """BenchFileError."""
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise BenchFileError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchFileError(f"{path} is not TOML: {error}") from None
    try:
        return _read(content, path.parent)
    except ValueError as error:
        raise BenchFileError(f"{path}: {error}") from None


def _read(content: dict[str, Any], folder: Path) -> BenchFile:
    for table, keys in content.items():
        if table not in _KEYS or not isinstance(keys, dict):
            raise ValueError(f"[{table}] is unknown: write {', '.join(f'[{each}]' for each in _KEYS)}")
        known = _KEYS[table]
        for key in keys:
            if known is not None and key not in known:
                raise ValueError(f"{table}.{key} is unknown: there are {', '.join(sorted(known))}")
            if known is None and not isinstance(keys[key], dict):
                raise ValueError(f"{table}.{key} is no table: write [{table}.{key}]")
    board, power = content.get("board", {}), content.get("power", {})
    console = board.get("console", "usb")
    if console not in _CONSOLES:
        raise ValueError(f"board.console is {console!r}: write {', '.join(_CONSOLES)}")
    return BenchFile(
        image=folder / _of(str, board["image"], "board.image") if "image" in board else None,
        files=_names(board.get("files", [])),
        console=_CONSOLES[console],
        baud=_of(int, board.get("baud", 115_200), "board.baud"),
        plants=content.get("plants", {}),
        uarts={int(name[-1]): _port(each, f"ports.{name}") for name, each in content.get("ports", {}).items()},
        switch=SupplySwitch(_words(power, "on"), _words(power, "off")) if power else None,
    )


def _of(kind: type, value: Any, name: str) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r}: write {'a text in quotes' if kind is str else 'a whole number'}")
    return value


def _port(value: Any, name: str) -> tuple[str, int]:
    if isinstance(value, str):
        return value, 115_200
    if not isinstance(value, dict) or not set(value) <= {"port", "baud"} or "port" not in value:
        raise ValueError(f'{name} is {value!r}: write a text in quotes or {{ port = "...", baud = 9600 }}')
    return _of(str, value["port"], f"{name}.port"), _of(int, value.get("baud", 115_200), f"{name}.baud")


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ValueError(f'board.files is {value!r}: write a list of names, ["settings.json"]')
    return tuple(value)


def _words(power: dict[str, Any], name: str) -> list[str]:
    words = power.get(name)
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise ValueError(f'power.{name} is {words!r}: write the command as a list, ["program", "argument"]')
    return words
