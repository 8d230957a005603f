"""A device's signed packs that the gateway has not acknowledged yet, in flash.

A folder of append-only segments `00000001.seg`, `00000002.seg` ... Each holds records, a front and a pack:

    FF 57 | length of the pack (u16) | boot (u32) | sequence (u32) | hash of the pack (16) | CRC-32 of all before (u32)

little-endian. A segment's first record has no pack: its front names the last pack of the segment before. A new
segment's first record is durable before an old segment is removed, so the head of the chain is always there. Full means
that the oldest segment goes; whoever reads sees it from the sequence.

Flash may give other bits back than it was given. A pack that does not have its hash is lost, and its front still says
where the chain goes on. Where a front is spoilt the next whole one is looked for. What is at a segment's end and is no
whole record may be what a power cut has left, or packs that are gone: either way nothing is written behind it, and the
next pack names a hash that no pack has. So the gateway sees that something is missing, and logs it.
"""

import binascii
import struct
from collections import namedtuple

from micropython import const
from wayside_wire.pack import NO_PREVIOUS, pack_hash

_MARK = b"\xffW"
_FORM = "<2sHII16s"
_FRONT = const(32)
_PACK = const(1024)  # bytes; no pack is larger
_SEGMENTS = const(8)  # the limit is shared by about so many
MIN_LIMIT = const(16384)  # bytes; two segments of one flash block each would leave no room for a pack after a drop

NewestPack = namedtuple("NewestPack", ("boot", "sequence", "hash"))
"""The last pack of the chain; boot 0 before the first. hash: what the next pack has to name."""

Stored = namedtuple("Stored", ("boot", "sequence", "raw", "hash", "end"))
"""A pack in the journal. hash: pack_hash(raw); end: position behind it, for read() and release()."""


class _Segment:
    def __init__(self, number, size, packs):
        self.number = number
        self.size = size  # bytes, up to where it is appended to
        self.packs = packs


class PackJournal:
    """Positions are (segment number, offset) and only grow. Call nothing that writes while a bus transaction is open.

    head: the chain's end. first: position of the first pack not acknowledged. dropped: packs lost because the journal
    was full; corrupt: places where flash gives back something else than what was written; closed: what flash answered
    instead of opening it, empty when it is open.
    """

    def __init__(self, files, path: str, limit: int, make_room=None, patient: bool = False):
        """limit: bytes of flash, at least MIN_LIMIT. make_room(): whether something else has given way to a full flash;
        without it the oldest packs here give way. patient: where flash refuses, open() has to be called again; else
        OSError."""
        self._files = files
        self._path = path
        self._limit = limit
        self._segment_size = limit // _SEGMENTS
        self._make_room = make_room
        self._segments = []
        self._file = None  # the last segment, open for appending
        self._holes = {}  # position of what is spoilt -> offset of the next whole record, or the segment's size
        self._newest = None  # (position, Stored) of the last pack appended: it is sent at once, and to read takes 3 ms
        self.head = NewestPack(0, 0, NO_PREVIOUS)
        self.first = (0, 0)
        self.dropped = 0
        self.corrupt = 0
        self.closed = "not opened yet"
        try:
            self.open()
        except OSError as error:
            if not patient:
                raise
            self.closed = str(error)

    def open(self) -> None:
        """Where it is not open yet; OSError when flash refuses again."""
        if not self.closed:
            return
        try:
            self._recover()
            self.closed = ""
        except OSError:
            self._segments = []
            raise

    # --- writing ---

    def append_pack(self, boot: int, sequence: int, raw: bytes) -> None:
        """Keep a pack, durably. After an OSError it may or may not be there: append the very same bytes again."""
        head = NewestPack(boot, sequence, pack_hash(raw))
        record = _front(head, len(raw)) + raw
        if self._file is None or self._segments[-1].size + len(record) > self._segment_size:
            self._open_segment()
        segment = self._segments[-1]
        start = (segment.number, segment.size)
        try:
            self._files.write(self._file, record)
        except OSError:
            self.close()
            self._give_way()  # perhaps the file system is full
            raise
        segment.size += len(record)
        segment.packs += 1
        self.head = head
        self._newest = start, Stored(boot, sequence, raw, head.hash, (segment.number, segment.size))

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

    def is_empty(self) -> bool:
        """Whether nothing was ever kept here."""
        return not self._segments

    def held(self) -> int:
        """Packs that are not acknowledged."""
        return sum([self._held_in(segment) for segment in self._segments if segment.number >= self.first[0]])

    def shrink(self) -> bool:
        """Give up the oldest segment; of the last one all but the head. Whether there was something to give up."""
        if self._drop_oldest():
            return True
        if not self._segments or not self._segments[0].packs:
            return False
        try:
            self._open_segment()
        except OSError:
            return False
        return self._drop_oldest()

    def _give_way(self) -> None:
        if not (self._make_room and self._make_room()):
            self._drop_oldest()

    def _open_segment(self) -> None:
        self.close()
        total = 0
        for segment in self._segments:
            total += segment.size
        while total + self._segment_size > self._limit and self._segments:
            total -= self._segments[0].size
            if not self._drop_oldest():
                break
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._name(number)
        record = _front(self.head, 0)
        try:
            self._file = self._files.create(path)
            self._files.write(self._file, record)
            self._files.sync_parent(path)
        except OSError:
            self.close()
            self._give_way()
            raise
        self._segments.append(_Segment(number, len(record), 0))

    def close(self) -> None:
        """Leave the files alone. What is appended next opens a new segment."""
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
        stored = self.read(self.first)
        while stored is not None and stored.end[0] == segment.number:
            count += 1
            stored = self.read(stored.end)
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
                behind = self._holes.get((segment.number, offset)) if self._holes else None
                if behind is None:
                    data = self._bytes(segment.number, offset, _FRONT + _PACK)
                    head, size = _read_front(data)
                    behind = offset + _FRONT + size
                    if not head:
                        behind = self._spoilt(segment, offset)
                    elif size:
                        raw = data[_FRONT : _FRONT + size]
                        if pack_hash(raw) == head.hash:
                            return Stored(head.boot, head.sequence, raw, head.hash, (segment.number, behind))
                        self._jump(segment.number, offset, behind)
                offset = behind
        return None

    def last(self, count: int):
        """Yields up to so many of the newest packs as Stored, the newest first: of the last two segments at most."""
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
        for position in reversed(found):
            yield self.read(position)

    def release(self, end) -> None:
        """Everything before the position `end` is acknowledged; tidy() later frees the room."""
        if end > self.first:
            self.first = end

    def _spoilt(self, segment, offset: int) -> int:
        """Where it goes on behind a place at which no front is; that is counted, and remembered."""
        behind = self._next_front(segment.number, offset + 1, segment.size)
        self._jump(segment.number, offset, behind)
        return behind

    def _jump(self, number: int, offset: int, behind: int) -> None:
        self._holes[number, offset] = behind
        self.corrupt += 1

    def _next_front(self, number: int, offset: int, size: int) -> int:
        """The offset of the next whole front from `offset` on; `size` where there is none."""
        while offset + _FRONT <= size:
            data = self._bytes(number, offset, _PACK)
            at = data.find(_MARK)
            while 0 <= at <= len(data) - _FRONT:
                if _read_front(data[at : at + _FRONT])[0]:
                    return offset + at
                at = data.find(_MARK, at + 1)
            offset += _PACK - _FRONT + 1
        return size

    def _bytes(self, number: int, offset: int, size: int) -> bytes:
        """What can be read there: a file system whose own records are spoilt refuses."""
        try:
            return self._files.read_at(self._name(number), offset, size)
        except OSError:
            return b""

    # --- after a start ---

    def _recover(self) -> None:
        self._files.make_directory(self._path)
        whole = False
        for name in self._files.names(self._path):
            if len(name) == 12 and name.endswith(".seg") and name[:8].isdigit():
                number = int(name[:8])
                size = self._files.size(self._name(number))
                if not size:
                    self._files.remove(self._name(number))  # cut while it was made: nothing was ever kept in it
                    continue
                segment = _Segment(number, size, 0)
                self._segments.append(segment)
                whole = self._scan(segment)
        if self._segments:
            self.first = (self._segments[0].number, 0)
            if whole:
                self._file = self._files.append(self._name(self._segments[-1].number))

    def _scan(self, segment) -> bool:
        """Look at every front of a segment, and whether it ends with a whole record; the head moves on to its last."""
        offset = 0
        while offset < segment.size:
            data = self._bytes(segment.number, offset, _FRONT)
            head, size = _read_front(data)
            behind = offset + _FRONT + size
            # A pack written again after a failed write stands behind a first record that does not know of it yet.
            if head and (head.boot, head.sequence) >= (self.head.boot, self.head.sequence):
                self.head = head
            if head and behind <= segment.size:
                segment.packs += 1 if size else 0
                offset = behind
                continue
            # By a power cut, which is no fault of the flash: it ends too early, or is still empty.
            is_torn = head or (data and (len(data) < _FRONT or not any(data)))
            offset = self._spoilt(segment, offset)
            if offset == segment.size:
                if is_torn:
                    self.corrupt -= 1
                self.head = NewestPack(self.head.boot, self.head.sequence, pack_hash(data))  # that no pack has
                return False
        return True

    def _name(self, number: int) -> str:
        return "%s/%08d.seg" % (self._path, number)


def _front(head, size: int) -> bytes:
    front = struct.pack(_FORM, _MARK, size, head.boot, head.sequence, head.hash)
    return front + struct.pack("<I", binascii.crc32(front))


def _read_front(data: bytes):
    """(NewestPack, bytes of the pack behind it) of the front that `data` begins with; (None, 0) where there is none."""
    if len(data) < _FRONT or data[:2] != _MARK:
        return None, 0
    _, size, boot, sequence, digest, crc = struct.unpack_from(_FORM + "I", data)
    if crc != binascii.crc32(data[: _FRONT - 4]):
        return None, 0
    return NewestPack(boot, sequence, digest), size
