"""A device's signed packs that the gateway has not acknowledged yet, in flash.

A folder of append-only segments `00000001.seg`, `00000002.seg` ... Each holds records:

    length of the body (u16) | CRC-32 of the body (u32) | body        little-endian

Body: boot (u32), sequence (u32) and the pack's bytes; in a segment's first record, which says what came before it, 16
bytes of pack hash instead. What a power cut leaves at a segment's end is no record any more, and nothing is written
behind it: the next pack opens a new segment. A new segment's first record is durable before an old segment is removed,
so the head of the chain is always there. Full means that the oldest segment goes; whoever reads sees it from the
sequence.
"""

import binascii
import struct
from collections import namedtuple

from micropython import const
from wayside_wire.pack import NO_PREVIOUS, pack_hash

_FRONT = const(6)  # length and CRC
_PLACE = const(8)  # boot and sequence
_BODY = const(1024)  # no body is larger
_SEGMENTS = const(8)  # the limit is shared by about so many
MIN_LIMIT = const(16384)  # bytes; two segments of one flash block each would leave no room for a pack after a drop

Head = namedtuple("Head", ("boot", "sequence", "hash"))
"""The last pack of the chain; boot 0 before the first."""

Stored = namedtuple("Stored", ("boot", "sequence", "raw", "hash", "end"))
"""A pack in the journal. hash: pack_hash(raw); end: position behind it, for read() and release()."""


class _Segment:
    def __init__(self, number, size, packs):
        self.number = number
        self.size = size  # bytes of whole records
        self.packs = packs


class Journal:
    """Positions are (segment number, offset) and only grow. Call nothing that writes while a bus transaction is open.

    head: the chain's end. first: position of the first pack not acknowledged. dropped: packs lost because the journal
    was full; corrupt: records that could not be read back.
    """

    def __init__(self, files, path: str, limit: int):
        """limit: bytes of flash, at least MIN_LIMIT."""
        self._files = files
        self._path = path
        self._limit = limit
        self._segment_size = limit // _SEGMENTS
        self._segments = []
        self._file = None  # the last segment, open for appending
        self._newest = None  # (position, Stored) of the last pack appended: it is sent at once, and to read takes 3 ms
        self.head = Head(0, 0, NO_PREVIOUS)
        self.first = (0, 0)
        self.dropped = 0
        self.corrupt = 0
        self._recover()

    # --- writing ---

    def append(self, boot: int, sequence: int, raw: bytes) -> None:
        """Keep a pack, durably. After an OSError it may or may not be there: append the very same bytes again."""
        record = _record(boot, sequence, raw)
        if self._file is None or self._segments[-1].size + len(record) > self._segment_size:
            self._open_segment()
        segment = self._segments[-1]
        start = (segment.number, segment.size)
        try:
            self._files.write(self._file, record)
        except OSError:
            self._close()
            self._drop_oldest()  # perhaps the file system is full
            raise
        segment.size += len(record)
        segment.packs += 1
        self.head = Head(boot, sequence, pack_hash(raw))
        self._newest = start, Stored(boot, sequence, raw, self.head.hash, (segment.number, segment.size))

    def tidy(self) -> None:
        """Remove the segments that are acknowledged to the end."""
        while self.untidy():
            self._remove_first()

    def make_room(self) -> bool:
        """Drop the oldest segment, for what has to be written elsewhere; False: there is only the last one."""
        return self._drop_oldest()

    def untidy(self) -> bool:
        """Whether tidy() would remove something. The last segment stays: it knows the head."""
        segments = self._segments
        return len(segments) > 1 and self.first >= (segments[0].number, segments[0].size)

    def _open_segment(self) -> None:
        self._close()
        total = 0
        for segment in self._segments:
            total += segment.size
        while total + self._segment_size > self._limit and self._segments:
            total -= self._segments[0].size
            if not self._drop_oldest():
                break
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._name(number)
        record = _record(self.head.boot, self.head.sequence, self.head.hash)
        try:
            self._file = self._files.create(path)
            self._files.write(self._file, record)
            self._files.sync_parent(path)
        except OSError:
            self._close()
            self._drop_oldest()
            raise
        self._segments.append(_Segment(number, len(record), 0))

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _drop_oldest(self) -> bool:
        """Make room, never at the price of the last segment, which knows the head."""
        if len(self._segments) < 2:
            return False
        segment = self._segments[0]
        if self.first[0] <= segment.number:
            self.dropped += self._held_in(segment)
            self.first = (self._segments[1].number, 0)
        self._remove_first()
        return True

    def _held_in(self, segment) -> int:
        """Packs of `segment` from `first` on."""
        if self.first <= (segment.number, 0):
            return segment.packs
        count = 0
        offset = self.first[1]
        while offset < segment.size:
            body = self._body(segment.number, offset)
            if body is None:
                break
            count += 1
            offset += _FRONT + len(body)
        return count

    def _remove_first(self) -> None:
        segment = self._segments.pop(0)
        self._files.remove(self._name(segment.number))

    # --- reading ---

    def read(self, position):
        """The first pack at or behind `position` as Stored, None at the end."""
        if self._newest is not None and position == self._newest[0]:
            return self._newest[1]
        number, offset = position
        for segment in self._segments:
            if segment.number < number:
                continue
            if segment.number > number:
                offset = 0
            while offset < segment.size:
                body = self._body(segment.number, offset)
                if body is None:
                    self.corrupt += 1
                    break
                end = offset + _FRONT + len(body)
                if offset:  # the first record is no pack
                    boot, sequence = struct.unpack_from("<II", body)
                    raw = body[_PLACE:]
                    return Stored(boot, sequence, raw, pack_hash(raw), (segment.number, end))
                offset = end
        return None

    def last(self, count: int):
        """Yields up to so many of the newest packs as Stored, the oldest first: of the last two segments at most."""
        found = []  # where they stand: all of them would be too much at once
        position = (self._segments[-2:][0].number, 0) if self._segments else (0, 0)
        while True:
            stored = self.read(position)
            if stored is None:
                break
            found.append(position)
            if len(found) > count:
                found.pop(0)
            position = stored.end
        for position in found:
            yield self.read(position)

    def release(self, end) -> None:
        """Everything before the position `end` is acknowledged; tidy() later frees the room."""
        if end > self.first:
            self.first = end

    def _body(self, number: int, offset: int):
        """The body of the record at a position, None where there is no whole one."""
        data = self._files.read_at(self._name(number), offset, _FRONT + _BODY)
        if len(data) < _FRONT:
            return None
        size, crc = struct.unpack_from("<HI", data)
        body = data[_FRONT : _FRONT + size]
        # A stretch of zeros would be a record of nothing: a body has at least its place and a byte.
        return body if size > _PLACE and len(body) == size and _crc(body) == crc else None

    # --- after a start ---

    def _recover(self) -> None:
        self._files.make_directory(self._path)
        whole = False
        for name in self._files.names(self._path):
            if len(name) == 12 and name.endswith(".seg") and name[:8].isdigit():
                number = int(name[:8])
                segment = self._scan(number)
                if segment is None:
                    self._files.remove(self._name(number))  # cut while it was made: nothing was ever kept in it
                    continue
                self._segments.append(segment)
                whole = segment.size == self._files.size(self._name(number))
        if self._segments:
            self.first = (self._segments[0].number, 0)
            if whole:
                self._file = self._files.append(self._name(self._segments[-1].number))

    def _scan(self, number: int):
        """The segment as far as its records are whole, None without one; the head moves on to its last pack."""
        offset = packs = 0
        while True:
            body = self._body(number, offset)
            if body is None:
                return _Segment(number, offset, packs) if offset else None
            boot, sequence = struct.unpack_from("<II", body)
            # A pack written again after a failed write stands behind a first record that does not know of it yet.
            if (boot, sequence) >= (self.head.boot, self.head.sequence):
                self.head = Head(boot, sequence, pack_hash(body[_PLACE:]) if offset else body[_PLACE:])
            packs += 1 if offset else 0
            offset += _FRONT + len(body)

    def _name(self, number: int) -> str:
        return "%s/%08d.seg" % (self._path, number)


def _record(boot: int, sequence: int, rest: bytes) -> bytes:
    body = struct.pack("<II", boot, sequence) + rest
    return struct.pack("<HI", len(body), _crc(body)) + body


def _crc(body: bytes) -> int:
    return binascii.crc32(body) & 0xFFFFFFFF
