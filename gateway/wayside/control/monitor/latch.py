"""The monitor's fault on disk: it outlives restarts, and only a reset that names it resets it.

Only a file that is not there is no fault: what cannot be read, and what is torn, is one.
"""

import hashlib
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from wayside_wire.signal_frames import NO_FAULT, NONCE_SIZE

from wayside.evidence.files import replace_file
from wayside.text.reason import reason

_FAULT_FILE, _RESET_FILE = "fault", "reset"
_ID_SIZE = 2 * NONCE_SIZE
_FORM = re.compile(r"([0-9a-f]{16}) ([0-9a-f]{16}) (.+)", re.ASCII | re.DOTALL)


class LatchedFault(NamedTuple):
    """id: another one for each fault; node_id: that of the node's own fault, NO_FAULT where it is not known."""

    id: str
    node_id: bytes
    text: str


class Latch:
    """`fault`: the one that is kept, None without any."""

    def __init__(self, state: Path):
        self._state = state
        try:
            self.fault = _read(state)
        except OSError as error:
            self.fault = LatchedFault("", NO_FAULT, f"the fault that was kept cannot be read: {reason(error)}")
        self._is_kept = True

    def set(self, text: str, node_id: bytes) -> None:
        """A fault, or another one. OSError: it is not on disk; keep() tries again."""
        self.fault = LatchedFault(secrets.token_hex(NONCE_SIZE), node_id, text)
        self._is_kept = False
        with suppress(OSError):  # of an earlier fault
            (self._state / _RESET_FILE).unlink(missing_ok=True)
        self.keep()

    def keep(self) -> None:
        """Have the fault on disk; OSError when it is not."""
        if self.fault and not self._is_kept:
            line = f"{self.fault.id} {self.fault.node_id.hex()} {self.fault.text}"
            replace_file(self._state / _FAULT_FILE, line.encode())
            self._is_kept = True

    def is_reset(self) -> bool:
        """Whether somebody asked to reset the fault that stands on disk now."""
        try:
            asked = (self._state / _RESET_FILE).read_text(errors="replace")
            kept = _read(self._state)
        except OSError:
            return False
        return bool(self.fault and kept and kept.id == asked and self.fault.id in ("", kept.id))

    def clear(self) -> None:
        """OSError leaves the fault: what comes back at the next start is not reset."""
        (self._state / _FAULT_FILE).unlink()
        self.fault = None
        with suppress(OSError):
            (self._state / _RESET_FILE).unlink(missing_ok=True)


def ask_reset(state: Path) -> str:
    """Have the monitor whose state this is reset its fault; the fault, "" when there is none. OSError."""
    fault = _read(state)
    if fault is None:
        return ""
    replace_file(state / _RESET_FILE, fault.id.encode())
    return fault.text


def _read(state: Path) -> LatchedFault | None:
    try:
        data = (state / _FAULT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    text = data.decode(errors="replace")
    if found := _FORM.fullmatch(text):
        return LatchedFault(found[1], bytes.fromhex(found[2]), found[3])
    return LatchedFault(hashlib.sha256(data).hexdigest()[:_ID_SIZE], NO_FAULT, text or "a fault before the restart")
