"""What the gateway wants of a Bluetooth adapter, whoever provides it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


class ScannerError(Exception):
    """Scanning cannot begin or go on; the text says why."""


@dataclass(frozen=True, slots=True)
class Advert:
    """One advertisement. address: as it is written, AA:BB:CC:DD:EE:FF; services: data by 16-bit or longer UUID."""

    address: str
    rssi_dbm: int
    services: Mapping[str, bytes]


OnAdvert = Callable[[Advert], None]


class Scanner(Protocol):
    """One scan; after stop() or an error another one is made."""

    async def start(self, on_advert: OnAdvert) -> None:
        """Begin; ScannerError when there is no adapter or nobody who runs it."""

    async def stop(self) -> None:
        """End; ScannerError when that fails, and then nothing more is expected of it."""

    async def reset(self) -> None:
        """Switch the adapter off and on again, for a scan that has gone silent; ScannerError when it cannot be done."""


def uuid16(number: int) -> str:
    """The full form of a 16-bit UUID (Bluetooth Core 5.4, volume 3 part B section 2.5.1)."""
    return f"0000{number:04x}-0000-1000-8000-00805f9b34fb"
