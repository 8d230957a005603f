"""What ESP-IDF's boot loader notes about the slots of an ESP32: of it, whether the application that runs is on trial.

ESP-IDF, components/bootloader_support/include/esp_flash_partitions.h, esp_ota_select_entry_t: number of the choice, a
label (20 bytes), state, CRC-32 of the number; one entry at the start of each of two sectors. The higher number counts.
"""

import binascii
import struct

from micropython import const

_FORMAT = "<I20xII"
_PENDING_VERIFY = const(1)


def on_trial(first: bytes, second: bytes) -> bool:
    """first, second: what both sectors begin with, 32 bytes each."""
    found = [entry for entry in (_entry(first), _entry(second)) if entry]
    return bool(found) and max(found)[1] == _PENDING_VERIFY


def _entry(data: bytes):
    """(number, state); None when there is none, or a torn one."""
    number, state, crc = struct.unpack(_FORMAT, data[:32])
    # The ROM's function inverts what it is given to begin with.
    whole = binascii.crc32(data[:4], 0xFFFFFFFF) == crc
    return (number, state) if whole and number != 0xFFFFFFFF else None
