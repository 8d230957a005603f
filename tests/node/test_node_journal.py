"""The journal: order, bounds, and what a power cut at any byte leaves."""

import random

from fakes import MemoryFiles, files, scratch
from power import DROPPED, MODES, STRIDE, CutFiles, PowerCut
from wayside_node.counters import Counters
from wayside_node.journal import NewestPack, PackJournal
from wayside_wire.pack import NO_PREVIOUS, pack_hash

ROOMY = 1 << 16


def raw_pack(boot, sequence, size=40):
    return bytes([(boot * 31 + sequence * 7 + at) & 0xFF for at in range(size)])


def contents(journal, position=None):
    """[(boot, sequence)] of everything from `position` on, having checked each pack's bytes."""
    found = []
    position = position or journal.first
    while True:
        stored = journal.read(position)
        if stored is None:
            return found
        assert stored.raw == raw_pack(stored.boot, stored.sequence, len(stored.raw))
        found.append((stored.boot, stored.sequence))
        position = stored.end


def fill(journal, boot, start, stop, size=40):
    for sequence in range(start, stop):
        journal.append_pack(boot, sequence, raw_pack(boot, sequence, size))


def test_an_empty_journal_has_no_head():
    journal = PackJournal(files(), scratch("j"), ROOMY)
    assert journal.head == NewestPack(0, 0, NO_PREVIOUS)
    assert journal.read(journal.first) is None
    assert not journal.untidy()


def test_packs_come_back_in_order():
    journal = PackJournal(files(), scratch("j"), 1300)
    fill(journal, 1, 0, 8)
    assert contents(journal) == [(1, n) for n in range(8)]


def test_a_restart_finds_packs_and_head():
    path = scratch("j")
    fill(PackJournal(files(), path, ROOMY), 3, 0, 5)
    journal = PackJournal(files(), path, ROOMY)
    assert contents(journal) == [(3, n) for n in range(5)]
    assert journal.head == NewestPack(3, 4, pack_hash(raw_pack(3, 4)))
    fill(journal, 4, 0, 2)
    assert contents(PackJournal(files(), path, ROOMY))[-3:] == [(3, 4), (4, 0), (4, 1)]


def test_released_packs_are_removed_but_the_head_stays():
    path = scratch("j")
    journal = PackJournal(files(), path, 1200)
    fill(journal, 1, 0, 10)
    position = journal.first
    for _ in range(10):
        position = journal.read(position).end
    journal.release(position)
    assert journal.untidy()
    journal.tidy()
    assert not journal.untidy()
    assert len(files().names(path)) == 1
    assert contents(journal) == []
    assert PackJournal(files(), path, 1200).head == NewestPack(1, 9, pack_hash(raw_pack(1, 9)))
    assert journal.dropped == 0


def test_a_release_never_goes_back():
    journal = PackJournal(files(), scratch("j"), ROOMY)
    fill(journal, 1, 0, 4)
    first = journal.read(journal.first)
    second = journal.read(first.end)
    journal.release(second.end)
    journal.release(first.end)
    assert contents(journal) == [(1, 2), (1, 3)]


def test_a_full_journal_drops_the_oldest_and_says_how_many():
    path = scratch("j")
    journal = PackJournal(files(), path, 1300)
    fill(journal, 1, 0, 50)
    held = contents(journal)
    assert held == [(1, n) for n in range(50 - len(held), 50)]
    assert journal.dropped == 50 - len(held)
    assert len(held) >= 6
    assert sum([files().size(path + "/" + name) for name in files().names(path)]) <= 1300
    assert contents(PackJournal(files(), path, 1300)) == held


def test_dropping_counts_only_what_was_not_released():
    journal = PackJournal(files(), scratch("j"), 1300)
    fill(journal, 1, 0, 4)
    journal.release(journal.read(journal.first).end)
    fill(journal, 1, 4, 50)
    assert journal.dropped == 49 - len(contents(journal))


def test_the_bound_holds_through_starts_without_acknowledgement():
    path = scratch("j")
    for boot in range(1, 60):
        fill(PackJournal(files(), path, 1300), boot, 0, 1)
        assert sum([files().size(path + "/" + name) for name in files().names(path)]) <= 1300
    journal = PackJournal(files(), path, 1300)
    assert contents(journal)[-1] == (59, 0)
    assert len(contents(journal)) >= 6


class FailingFiles:
    """Files that refuse writes while `full`."""

    def __init__(self):
        self._files = files()
        self.full = False
        self.keep = False  # a refused write leaves all its bytes all the same

    def __getattr__(self, name):
        return getattr(self._files, name)

    def write(self, file, data):
        if self.full:
            file.write(data if self.keep else data[: len(data) // 2])
            file.flush()
            raise OSError(28)
        self._files.write(file, data)


def _append_through_a_full_disk(keep):
    path = scratch("j")
    disk = FailingFiles()
    disk.keep = keep
    journal = PackJournal(disk, path, ROOMY)
    fill(journal, 1, 0, 3)
    disk.full = True
    for _ in range(3):
        try:
            fill(journal, 1, 3, 4)
            raise AssertionError("a full disk took a pack")
        except OSError:
            pass
    assert journal.head.sequence == 2
    after_failure = PackJournal(files(), path, ROOMY)
    assert contents(after_failure) in ([(1, 0), (1, 1), (1, 2)], [(1, 0), (1, 1), (1, 2), (1, 3)])
    disk.full = False
    fill(journal, 1, 3, 6)
    assert contents(journal) == [(1, n) for n in range(6)]
    return PackJournal(files(), path, ROOMY)


def test_a_refused_pack_is_appended_again():
    journal = _append_through_a_full_disk(False)
    assert contents(journal) == [(1, n) for n in range(6)]
    assert journal.head.sequence == 5


def test_a_refused_write_that_reached_the_disk_is_only_a_repetition():
    journal = _append_through_a_full_disk(True)
    assert sorted(set(contents(journal))) == [(1, n) for n in range(6)]
    assert journal.head.sequence == 5


SMALL = 960  # two packs in a segment
TINY = 8  # bytes of a pack


def _small(disk, path):
    """The contents of the files of a journal that has ALL, in two segments."""
    journal = PackJournal(disk, path, SMALL)
    fill(journal, 1, 0, 3, TINY)
    fill(journal, 2, 0, 1, TINY)
    return {name: disk.read(path + "/" + name) for name in disk.names(path)}


def _put_all(disk, path, contents):
    for name in disk.names(path):
        disk.remove(path + "/" + name)
    for name in contents:
        disk.replace(path + "/" + name, contents[name])


def missed(offered, held=None):
    """What a gateway that has the packs up to `held` (a place) misses, of what it is `offered` in order: places behind
    which something is missing. It takes a pack whose `previous` it knows for the next one."""
    gaps = []
    for place, previous in offered:
        if held is not None and place <= held:
            continue
        if previous != _hash_of(held):
            gaps.append(held)
        held = place
    return gaps


def _hash_of(place):
    return NO_PREVIOUS if place is None else pack_hash(raw_pack(place[0], place[1], TINY))


ALL = [(1, 0), (1, 1), (1, 2), (2, 0)]


def _check_spoilt(disk, path, where, is_torn=False):
    """Each pack is offered, or what comes behind it shows that it is missing, whatever the gateway has already."""
    journal = PackJournal(disk, path, SMALL)
    found = contents(journal)
    assert [place for place in found if place not in ALL] == [] and found == sorted(set(found)), where
    assert len(ALL) - len(found) <= (2 if is_torn else 1), (where, found)
    assert journal.corrupt == (0 if is_torn else 1), where
    again = PackJournal(disk, path, SMALL)
    assert again.head == journal.head and contents(again) == found, where
    assert journal.head.hash != NO_PREVIOUS, where
    before = journal.head
    fill(journal, 3, 0, 1, TINY)
    assert contents(journal) == found + [(3, 0)], where
    previous = {(3, 0): before.hash}
    for at in range(len(ALL)):
        previous[ALL[at]] = _hash_of(ALL[at - 1]) if at else NO_PREVIOUS
    for reached in range(-1, len(ALL)):
        held = ALL[reached] if reached >= 0 else None
        lost = [place for place in ALL[reached + 1 :] if place not in found]
        gaps = missed([(place, previous[place]) for place in found + [(3, 0)]], held)
        for place in lost:  # every one of them lies behind a place at which a gap is named
            at = ALL.index(place)
            while at >= 0 and ALL[at] in lost and at > reached:
                at -= 1
            assert (ALL[at] if at >= 0 else None) in gaps, (where, held, lost, gaps)
    end = PackJournal(disk, path, SMALL)
    assert contents(end) == found + [(3, 0)] and end.head == NewestPack(3, 0, _hash_of((3, 0))), where


def test_a_flipped_bit_costs_a_pack_at_most_and_what_is_missing_shows():
    path, disk = "/j", MemoryFiles()
    whole = _small(disk, path)
    assert len(whole) == 2
    for name in sorted(whole):
        for bit in range(8 * len(whole[name])):
            spoilt = bytearray(whole[name])
            spoilt[bit // 8] ^= 1 << bit % 8
            changed = dict(whole)
            changed[name] = bytes(spoilt)
            _put_all(disk, path, changed)
            _check_spoilt(disk, path, (name, bit))


def test_a_segment_that_ends_at_any_byte_shows_it():
    path, disk = "/j", MemoryFiles()
    whole = _small(disk, path)
    last = sorted(whole)[-1]
    for size in range(len(whole[last])):
        changed = dict(whole)
        changed[last] = whole[last][:size]
        _put_all(disk, path, changed)
        if size in (0, 32, 72):  # the end of a record: as if no more had ever been written
            assert PackJournal(disk, path, SMALL).head.hash == _hash_of(ALL[2 if size == 72 else 1])
        else:
            _check_spoilt(disk, path, size, True)
    for size in (0, 32, 72):  # and what a file system leaves that had noted the size already
        changed[last] = whole[last][:size] + bytes(len(whole[last]) - size)
        _put_all(disk, path, changed)
        _check_spoilt(disk, path, size, True)


def test_a_bit_that_flips_while_the_node_runs():
    path, disk = "/j", MemoryFiles()
    journal = PackJournal(disk, path, SMALL)
    fill(journal, 1, 0, 5, TINY)
    whole = {name: disk.read(path + "/" + name) for name in disk.names(path)}
    for name in sorted(whole):
        for bit in range(0, 8 * len(whole[name]), 5):
            spoilt = bytearray(whole[name])
            spoilt[bit // 8] ^= 1 << bit % 8
            journal = PackJournal(disk, path, SMALL)
            disk.replace(path + "/" + name, bytes(spoilt))
            for _ in range(3):
                found = contents(journal)
            assert 4 <= len(found) <= 5 and journal.corrupt == 1, (name, bit)
            fill(journal, 1, 5, 6, TINY)
            assert contents(journal) == found + [(1, 5)], (name, bit)
            _put_all(disk, path, whole)


def test_a_file_system_that_refuses_to_read_costs_what_it_does_not_give():
    class Refusing:
        def __getattr__(self, name):
            return getattr(disk, name)

        def read_at(self, path, offset, size):
            if path.endswith("1.seg"):
                raise OSError(84)  # LFS_ERR_CORRUPT
            return disk.read_at(path, offset, size)

    path, disk = "/j", MemoryFiles()
    _small(disk, path)
    journal = PackJournal(Refusing(), path, SMALL)
    assert contents(journal) == [(1, 2), (2, 0)] and journal.corrupt == 1
    assert journal.head == NewestPack(2, 0, _hash_of((2, 0)))


def test_garbage_from_end_to_end_is_one_place():
    path, disk = "/j", MemoryFiles()
    whole = _small(disk, path)
    random.seed(5)
    for name in sorted(whole):
        changed = dict(whole)
        changed[name] = bytes([random.getrandbits(8) for _ in whole[name]]) + b"\xffW" * 900
        _put_all(disk, path, changed)
        journal = PackJournal(disk, path, SMALL)
        assert len(contents(journal)) == 2 and journal.corrupt == 1
        fill(journal, 3, 0, 2)
        assert contents(journal)[-2:] == [(3, 0), (3, 1)]


def _workload(disk, path, boot, limit, kept, acknowledge):
    """Append twelve packs, acknowledging some of them; `kept` follows what must be there at any time."""
    journal = PackJournal(disk, path, limit)
    head = journal.head
    for sequence in range(12):
        kept.trying = (boot, sequence)
        journal.append_pack(boot, sequence, raw_pack(boot, sequence))
        kept.held.append((boot, sequence))
        kept.trying = None
        if acknowledge and sequence % 5 == 4:
            for _ in range(4):
                journal.release(journal.read(journal.first).end)
                kept.held.pop(0)
            journal.tidy()
    return head


class Kept:
    def __init__(self):
        self.held = []
        self.trying = None


def _check_after_cut(path, limit, kept, full):
    journal = PackJournal(files(), path, limit)
    found = contents(journal)
    must = kept.held
    if kept.trying and found and found[-1] == kept.trying:
        must = must + [kept.trying]  # the cut came between the last byte and the return
    if full:
        assert found == must[len(must) - len(found) :]
        assert len(found) >= min(len(must), 6)
    else:
        assert found[len(found) - len(must) :] == must
        numbers = [sequence for _, sequence in found]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else not must
    head = journal.head
    if found and head.hash == pack_hash(raw_pack(*found[-1])):
        assert (head.boot, head.sequence) == found[-1]
    elif found:  # a torn end: something may be missing, and the next pack will show it
        assert kept.trying and (head.boot, head.sequence) in (found[-1], kept.trying)
    # Life goes on behind the cut.
    fill(journal, 9, 0, 3)
    assert contents(journal)[-3:] == [(9, 0), (9, 1), (9, 2)]
    assert contents(PackJournal(files(), path, limit))[-3:] == [(9, 0), (9, 1), (9, 2)]


def _cut_everywhere(limit, acknowledge, mode):
    budget = MODES.index(mode)
    while True:
        path = scratch("j")
        kept = Kept()
        try:
            _workload(CutFiles(budget, mode), path, 1, limit, kept, acknowledge)
            assert budget > 600, "the workload was never cut"
            return
        except PowerCut:
            pass
        _check_after_cut(path, limit, kept, not acknowledge and limit < 1100)
        budget += STRIDE


def test_a_cut_at_any_byte_loses_no_stored_pack():
    for mode in MODES:
        _cut_everywhere(ROOMY, False, mode)


def test_a_cut_at_any_byte_while_segments_come_and_go():
    for mode in MODES:
        _cut_everywhere(1600, True, mode)


def test_a_cut_at_any_byte_of_a_full_journal():
    for mode in MODES:
        _cut_everywhere(1000, False, mode)


def test_cut_after_cut():
    seed = random.getrandbits(30)
    try:
        random.seed(seed)
        for _ in range(60):
            path = scratch("j")
            held = []
            for boot in range(1, 6):
                kept = Kept()
                try:
                    disk = CutFiles(random.getrandbits(10) % 700, MODES[random.getrandbits(8) % 3])
                    _workload(disk, path, boot, ROOMY, kept, False)
                except PowerCut:
                    pass
                held += kept.held
                found = contents(PackJournal(files(), path, ROOMY))
                assert [pack for pack in found if pack in held] == held
                assert len(found) <= len(held) + boot
    except Exception:
        print("seed", seed)
        raise


def test_a_dropped_first_segment_leaves_no_trace():
    path = scratch("j")
    disk = CutFiles(3, DROPPED)
    try:
        fill(PackJournal(disk, path, ROOMY), 1, 0, 1)
        raise AssertionError("not cut")
    except PowerCut:
        pass
    journal = PackJournal(files(), path, ROOMY)
    assert journal.head == NewestPack(0, 0, NO_PREVIOUS)
    assert files().names(path) == []


def test_a_flipped_bit_in_a_copy_of_the_counters_takes_no_number_back():
    path, disk = "/counters", MemoryFiles()
    counters = Counters(disk, path)
    counters.create()
    counters.next_boot(7)
    counters.take_command(1 << 40)
    whole = {name: bytes(disk.contents[name]) for name in disk.contents}
    for name in sorted(whole):
        for bit in range(8 * len(whole[name])):
            disk.contents = {each: bytearray(whole[each]) for each in whole}
            disk.contents[name][bit // 8] ^= 1 << bit % 8
            again = Counters(disk, path)
            again.load()
            assert (again.boot, again.command) == (7, 1 << 40), (name, bit)
            assert again.next_boot() == 8 and not again.take_command(1 << 40)
