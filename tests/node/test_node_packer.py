"""Reports become packs: each small enough, in one chain, the same bytes until they are stored."""

import os

from fakes import Keys, Time, files, scratch
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.packer import Packer
from wayside_wire.pack import BAD, GOOD, MAX_PACK, NO_PREVIOUS, SYNCED, UNSYNCED, Reading, open_pack, pack_hash

NOW = 1_790_000_000_000


def reading(channel, mantissa=230123, at_ms=0):
    if mantissa is None:
        return Reading(channel, "V", None, 0, BAD, "timeout", at_ms)
    return Reading(channel, "V", mantissa, -3, GOOD, "", at_ms)


class Bench:
    def __init__(self, boot=1, path=None):
        self.path = path or scratch("state")
        self.time = Time()
        self.clock = self.time.clock()
        self.journal = PackJournal(files(), self.path + "/j", 1 << 16)
        self.identity = open_identity(files(), self.path, Keys, bytes)
        self.packer = Packer("meter-1", boot, self.journal, self.identity, self.clock)

    def store(self, readings):
        self.packer.take(readings)
        while self.packer.busy:
            self.packer.sign()
            self.packer.store()

    def packs(self):
        found = []
        position = self.journal.first
        while True:
            stored = self.journal.read(position)
            if stored is None:
                return found
            pack, kid = open_pack(stored.raw, self.verify)
            assert (pack.boot, pack.sequence) == (stored.boot, stored.sequence)
            assert kid == self.identity.kid
            found.append((pack, stored.raw))
            position = stored.end

    def verify(self, kid, message, signature):
        return signature == Keys.ed25519_sign(None, self.identity.public, message)


def test_a_small_report_is_one_pack():
    bench = Bench()
    bench.store([reading("voltage_l1"), reading("voltage_l2", None)])
    ((pack, _),) = bench.packs()
    assert (pack.device, pack.boot, pack.sequence, pack.previous) == ("meter-1", 1, 0, NO_PREVIOUS)
    assert [r.mantissa for r in pack.readings] == [230123, None]


def test_a_large_report_is_split_and_nothing_is_missing():
    for count in (1, 5, 30, 64, 65, 200):
        bench = Bench()
        names = ["a_channel_with_a_rather_long_name_%d.mean" % n for n in range(count)]
        bench.store([reading(name, -(1 << 40) - 1) for name in names])
        packs = bench.packs()
        assert all([len(raw) <= MAX_PACK for _, raw in packs])
        assert [r.channel for pack, _ in packs for r in pack.readings] == names
        assert [pack.sequence for pack, _ in packs] == list(range(len(packs)))


def test_a_report_takes_no_more_packs_than_it_must():
    for count, packs in ((30, 1), (60, 2)):
        bench = Bench()
        bench.store([reading("c%d" % n) for n in range(count)])
        assert len(bench.packs()) == packs


def test_the_largest_header_still_fits():
    bench = Bench(boot=0xFFFFFFFF)
    bench.packer._sequence = 0xFFFFFFF0
    bench.clock.set_utc(NOW, SYNCED)
    worst = [Reading("x" * 40 + "%08d" % n, "abcdefghijkl", None, 0, BAD, "r" * 64, n) for n in range(40)]
    bench.store(worst)
    assert max([len(raw) for _, raw in bench.packs()]) <= MAX_PACK


def test_packs_name_the_one_before_across_boots():
    bench = Bench()
    for n in range(3):
        bench.store([reading("v", n)])
    again = Bench(boot=2, path=bench.path)
    again.store([reading("v", 3)])
    packs = again.packs()
    previous = NO_PREVIOUS
    for pack, raw in packs:
        assert pack.previous == previous
        previous = pack_hash(raw)
    assert [(pack.boot, pack.sequence) for pack, _ in packs] == [(1, 0), (1, 1), (1, 2), (2, 0)]


def test_times_are_utc_when_the_gateway_has_told_it_and_since_start_before():
    bench = Bench()
    bench.time.advance(4000)
    bench.store([reading("v", 1, 3500)])
    bench.clock.set_utc(NOW, SYNCED)
    bench.store([reading("v", 2, 3900)])
    (early, _), (late, _) = bench.packs()
    assert (early.time_quality, early.readings[0].time_ms) == (UNSYNCED, 3500)
    assert (late.time_quality, late.readings[0].time_ms) == (SYNCED, NOW - 100)


def test_a_pack_that_could_not_be_stored_is_stored_later_byte_for_byte():
    bench = Bench()
    tried = []
    append = bench.journal.append_pack

    def refuse(boot, sequence, raw):
        tried.append(raw)
        if len(tried) < 4:
            raise OSError(28)
        append(boot, sequence, raw)

    bench.journal.append_pack = refuse
    bench.packer.take([reading("v", 1)])
    for _ in range(3):
        bench.packer.sign()
        bench.clock.set_utc(NOW, SYNCED)
        try:
            bench.packer.store()
            raise AssertionError("stored")
        except OSError:
            pass
    bench.packer.sign()
    bench.packer.store()
    assert not bench.packer.busy
    assert len(set(tried)) == 1
    assert bench.packs()[0][1] == tried[0]


def test_a_journal_that_refuses_at_the_start_is_opened_again_and_its_chain_goes_on():
    bench = Bench()
    bench.store([reading("voltage_l1")])
    bench.journal.close()
    ((_, before),) = bench.packs()
    path = bench.path + "/j"
    os.rename(path, path + ".away")
    files().replace(path, b"no folder")
    try:
        PackJournal(files(), path, 1 << 16)
        raise AssertionError("opened")
    except OSError:
        pass
    bench.journal = journal = PackJournal(files(), path, 1 << 16, patient=True)
    bench.packer = Packer("meter-1", 2, journal, bench.identity, bench.clock)
    assert journal.closed and bench.packs() == []
    for _ in range(2):
        try:
            bench.store([reading("voltage_l1")])
            raise AssertionError("stored")
        except OSError:
            assert bench.packer.busy and journal.closed
    os.remove(path)
    os.rename(path + ".away", path)
    bench.packer.sign()
    bench.packer.store()
    assert not journal.closed and not bench.packer.busy
    assert [(pack.boot, pack.previous) for pack, _ in bench.packs()] == [(1, NO_PREVIOUS), (2, pack_hash(before))]
