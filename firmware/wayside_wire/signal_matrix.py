"""The matrix that a monitor judges by: which channels may be lit together, and the clearance of those that may not.

It comes from a text of its own, signed on its own, and not from the controller's description of the junction: a
mistake there must not repeat itself here. docs/signals.md shows the text; both interpreters read it with this module.
"""

import binascii
import hashlib

from . import WireError
from .signal_frames import AMBER, DARK, FLASH, MAX_CHANNELS, NONCE_SIZE, RED
from .text import is_printable

HEADER = "wayside-signal-matrix/v2"
MAX_TEXT = 16384
MAX_VERSION = 999999

VEHICLE, PEDESTRIAN, UNUSED = "vehicle", "pedestrian", "unused"
_WORDS = {VEHICLE: 7, PEDESTRIAN: 5}
_FLASH = {
    VEHICLE: {"amber": AMBER | FLASH, "red": RED | FLASH, "dark": DARK},
    PEDESTRIAN: {"red": RED | FLASH, "dark": DARK},
}
_LONGEST_MS = 60000
_SHORTEST_AMBER_MS = 3000
_LONGEST_AMBER_MS = 6000  # MUTCD 2009 chapter 4D
_LONGEST_RED_AMBER_MS = 2000  # VwV-StVO on section 37, IX
_SHORTEST_WALK_END_MS = 3000  # MUTCD 2009 section 4E.06: the buffer before any vehicle's green


class Channel:
    """What one output shows. amber_ms, red_amber_ms: as a vehicle's head shows them, 0 for pedestrians.

    flash: its lamps while the junction flashes, which is the safe state.
    """

    def __init__(self, name: str, kind: str, amber_ms: int, red_amber_ms: int, flash: int):
        self.name = name
        self.kind = kind
        self.amber_ms = amber_ms
        self.red_amber_ms = red_amber_ms
        self.flash = flash


class Matrix:
    """clearance[(a, b)]: milliseconds from the end of green of channel a to the start of green of b (both from 0).

    place, digest: what stands for junction and version, and for the whole text, in messages.
    """

    def __init__(self, junction: str, version: int, channels: list, clearance: dict, digest: bytes):
        self.junction = junction
        self.version = version
        self.place = place(junction, version)
        self.digest = digest
        self.channels = channels
        self.clearance = clearance

    def flash(self) -> bytes:
        """The safe picture."""
        return bytes([channel.flash for channel in self.channels])


def place(junction: str, version: int) -> bytes:
    """What stands for a version of a junction in messages."""
    return _digest("junction %s\nversion %d\n" % (junction, version))


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:NONCE_SIZE]


def newest(kept: str, matrix: Matrix) -> str:
    """What to keep of this matrix, so that no older one is used after it; kept: of the one before, "" for none.

    WireError when it is older, or another one of the same version.
    """
    record = "%d %s" % (matrix.version, binascii.hexlify(matrix.digest).decode())
    words = kept.split(" ")
    if not kept or kept == record:
        return record
    if len(words) != 2 or not words[0].isdigit():
        raise WireError("matrix: the record of the one before cannot be read; look at the junction, and remove it")
    if matrix.version < int(words[0]):
        raise WireError(
            "matrix: version %d is older than %s, which was in force; give it a higher version and sign it again"
            % (matrix.version, words[0])
        )
    if matrix.version == int(words[0]):
        raise WireError(
            "matrix: another text of version %s was in force; give this one a higher version and sign it again"
            % words[0]
        )
    return record


def parse(text: str) -> Matrix:
    """The matrix in `text`; WireError names the line, or the pair that nothing is said of."""
    if len(text) > MAX_TEXT or not text.endswith("\n"):
        raise WireError("matrix: over %d characters, or its last line does not end" % MAX_TEXT)
    lines = text[:-1].split("\n")
    junction = lines[1][9:] if len(lines) > 1 and lines[1].startswith("junction ") else ""
    version = lines[2][8:] if len(lines) > 2 and lines[2].startswith("version ") else ""
    if lines[0] != HEADER or not junction or not is_printable(junction, 48) or not version:
        raise WireError('matrix: it begins with the lines "%s", "junction NAME" and "version NUMBER"' % HEADER)
    try:
        _number(version, MAX_VERSION)
    except ValueError as error:
        raise WireError("matrix: line 3: %s" % error)
    channels = []
    clearance = {}
    together = set()
    for number, line in enumerate(lines[3:], 4):
        words = line.split(" ")
        try:
            if words[0] == "channel" and not clearance and not together:
                channels.append(_channel(words, len(channels) + 1))
            elif words[0] == "compatible" and len(words) == 3:
                a, b = _pair(words, channels)
                together.add((min(a, b), max(a, b)))
            elif words[0] == "clearance" and len(words) == 4:
                pair = _pair(words, channels)
                if pair in clearance:
                    raise ValueError("is there twice")
                clearance[pair] = _number(words[3], _LONGEST_MS)
            else:
                raise ValueError("is no channel, compatible or clearance line in its place")
        except ValueError as error:
            raise WireError("matrix: line %d: %s" % (number, error))
    _check_pairs(channels, clearance, together)
    return Matrix(junction, int(version), channels, clearance, _digest(text))


def _channel(words: list, number: int) -> Channel:
    """channel NUMBER NAME vehicle YELLOW_MS RED_YELLOW_MS FLASH, or NAME pedestrian FLASH, or - unused."""
    if len(words) < 4 or words[1] != str(number) or number > MAX_CHANNELS or not is_printable(words[2], 48):
        raise ValueError("write channel %d NAME KIND; at most %d channels" % (number, MAX_CHANNELS))
    kind = words[3]
    if kind == UNUSED and len(words) == 4:
        return Channel(words[2], kind, 0, 0, RED)
    if kind not in _WORDS or len(words) != _WORDS[kind] or words[-1] not in _FLASH[kind]:
        raise ValueError(
            "KIND is vehicle YELLOW_MS RED_YELLOW_MS FLASH, pedestrian FLASH, or unused; "
            "FLASH is amber (vehicles only), red or dark"
        )
    flash = _FLASH[kind][words[-1]]
    if kind == PEDESTRIAN:
        return Channel(words[2], kind, 0, 0, flash)
    amber, red_amber = _number(words[4], _LONGEST_MS), _number(words[5], _LONGEST_MS)
    if amber < _SHORTEST_AMBER_MS:
        raise ValueError("yellow of %d ms is under %d" % (amber, _SHORTEST_AMBER_MS))
    if amber > _LONGEST_AMBER_MS or red_amber > _LONGEST_RED_AMBER_MS:
        raise ValueError("yellow is %d ms at most, red with yellow %d" % (_LONGEST_AMBER_MS, _LONGEST_RED_AMBER_MS))
    return Channel(words[2], kind, amber, red_amber, flash)


def _pair(words: list, channels: list):
    """Two channels by number, counted from 0 inside."""
    a, b = _number(words[1], len(channels)) - 1, _number(words[2], len(channels)) - 1
    if a < 0 or b < 0 or a == b or UNUSED in (channels[a].kind, channels[b].kind):
        raise ValueError("names two different channels that are used")
    return a, b


def _number(word: str, most: int) -> int:
    if not word or word.strip("0123456789") or (len(word) > 1 and word[0] == "0") or len(word) > 6:
        raise ValueError("%s is not a plain number" % word)
    value = int(word)
    if value > most:
        raise ValueError("%d is over %d" % (value, most))
    return value


def _check_pairs(channels: list, clearance: dict, together: set) -> None:
    used = [number for number, channel in enumerate(channels) if channel.kind != UNUSED]
    if all(channels[each].flash == DARK for each in used):
        raise WireError("matrix: no channel flashes; dark lamps are no safe state")
    for a in used:
        for b in used:
            if a == b:
                continue
            compatible = (min(a, b), max(a, b)) in together
            if compatible == ((a, b) in clearance):
                raise WireError(
                    "matrix: channels %d and %d: write both clearances, or that they are compatible" % (a + 1, b + 1)
                )
            if not compatible and clearance[(a, b)] < channels[a].amber_ms + channels[b].red_amber_ms:
                raise WireError("matrix: clearance from %d to %d is shorter than their yellow" % (a + 1, b + 1))
            if not compatible and channels[a].kind == PEDESTRIAN and clearance[(a, b)] < _SHORTEST_WALK_END_MS:
                raise WireError(
                    "matrix: clearance from %d, pedestrians, to %d is under %d ms"
                    % (a + 1, b + 1, _SHORTEST_WALK_END_MS)
                )
            if not compatible and channels[a].flash == channels[b].flash == AMBER | FLASH:
                raise WireError("matrix: channels %d and %d conflict, and both flash amber" % (a + 1, b + 1))
