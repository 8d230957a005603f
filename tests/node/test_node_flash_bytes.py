"""What firmware before this one has left in flash: read as it was meant, and written the same. On both interpreters."""

import binascii
from collections import namedtuple

from fakes import Time, files, scratch
from wayside_node import seal
from wayside_node.certificate_time import CertificateTime
from wayside_node.copies import Copies
from wayside_node.counters import Counters
from wayside_node.journal import PackJournal
from wayside_node.radio import Budget
from wayside_node.radio_remote import Remote, Working
from wayside_node.sensors.contact import DurableCount
from wayside_node.slots import Slots
from wayside_wire import frame
from wayside_wire import lora_config as wire

Profile = namedtuple("Profile", ("channels",))
Channel = namedtuple("Channel", ("name",))
PROFILE = Profile((Channel("t"), Channel("rh")))
OWN = Working(900000, 3, 7, ["t"], {})

_NONE = "00" * 236  # of the 61 pieces of an hour

BEFORE = {
    "counters.0": "0700000000010000351cdcdf02000000143bcf79",
    "counters.1": "0700000000010000351cdcdf02000000143bcf79",
    "slots.0": "02000000010a0301f25906ce",
    "slots.1": "02000000010a0301f25906ce",
    "utc.0": "07000000006c50c4a0010000af3ce91f",
    "utc.1": "07000000006c50c4a0010000af3ce91f",
    "count.0": "46420f000000000086c212a8",
    "count.1": "0600000000000000eed64da3",
    "airtime.0": "20aa4400" + _NONE + "00000000843e014d",
    "airtime.1": "70c04c00" + _NONE + "00000000c8676e73",
    "remote.0": "0200000001000000020101033cfc96afbf",
    "remote.1": "0300000002000000010101033c6c09141c",
    "journal/00000001.seg": (
        "ff5700000000000000000000000000000000000000000000000000002491b53d"
        "ff5706000700000000000000d55b179625eddb11f50e77ddd1bb9660fb0fd1f7" + "61207061636b"
        "ff5707000700000001000000ae448ac86c4e8e4dec645729708ef4183e03ed67" + "616e6f74686572"
    ),
}
"""By the firmware of 2026-11-30, as write() says, in hexadecimal digits."""
SEAL = "0a0920092020200909092009202009092009200909090909092009202020200909"
FRAME = "010d016d65737361676531fb720100"


class Context:
    """Of TLS."""


def content(path):
    return binascii.hexlify(files().read(path)).decode()


def config(version):
    return wire.encode_config(PROFILE, wire.AirConfig(version, 3, 60, None, None, None, None))


def write(folder):
    """Everything that has two copies, and the journal, a few times over."""
    files().make_directory(folder)
    counters = Counters(files(), folder + "/counters")
    counters.create()
    counters.next_boot(7)
    counters.next_frame()
    counters.take_command(12345678901)
    slots = Slots(files(), folder + "/slots")
    slots.install("/b")
    slots.keep("/a")
    Copies(files(), folder + "/utc", "<IQ").store(7, 1790000000000)
    register = DurableCount(files(), folder + "/count")
    for pulses in (5, 1, 1000000):
        register.add(pulses)
    budget = Budget(files(), folder + "/airtime", 10, Time(60000).clock())
    budget.spend(30000)
    budget.spend(5000000)
    remote = Remote(files(), folder + "/remote", PROFILE, OWN)
    remote.take(config(1))
    remote.answered()
    remote.take(config(2))
    journal = PackJournal(files(), folder + "/journal", 16384)
    journal.append_pack(7, 0, b"a pack")
    journal.append_pack(7, 1, b"another")
    journal.close()


def written(folder):
    write(folder)
    return {name: content(folder + "/" + name) for name in BEFORE}


def test_bytes_are_written_as_before():
    found = written(scratch("bytes"))
    for name in BEFORE:
        assert found[name] == BEFORE[name], name


def test_what_was_written_before_is_read():
    folder = scratch("before")
    files().make_directory(folder)
    files().make_directory(folder + "/journal")
    for name in BEFORE:
        files().replace(folder + "/" + name, binascii.unhexlify(BEFORE[name]))
    counters = Counters(files(), folder + "/counters")
    counters.load()
    assert (counters.boot, counters.next_frame(), counters.command) == (7, 256, 12345678901)
    slots = Slots(files(), folder + "/slots")
    assert (slots._change, slots._first, slots._left, slots._kept) == (2, 1, [10, 3], 1)
    time = CertificateTime(Context(), files(), folder + "/utc", Time().clock(), None, None)
    assert (time._number, time._kept_ms) == (7, 1790000000000)
    register = DurableCount(files(), folder + "/count")
    assert (register.value, register.lost) == (1000006, False)
    assert Budget(files(), folder + "/airtime", 10, Time(60000).clock()).used_us() >= 5030000
    remote = Remote(files(), folder + "/remote", PROFILE, OWN)
    assert (remote.version, remote.tried, remote.outcome, remote.working.report_ms) == (1, 2, wire.ROLLED_BACK, 60000)
    journal = PackJournal(files(), folder + "/journal", 16384)
    assert [(each.boot, each.sequence, each.raw) for each in journal.last(5)] == [(7, 1, b"another"), (7, 0, b"a pack")]
    assert journal.corrupt == 0


def test_the_older_or_torn_copy_is_written_first():
    folder = scratch("order")
    files().make_directory(folder)
    for torn in (0, 1):
        path = "%s/count-%d" % (folder, torn)
        DurableCount(files(), path).add(5)
        DurableCount(files(), path).add(6)
        files().replace("%s.%d" % (path, torn), b"torn")
        before = content("%s.%d" % (path, 1 - torn))
        register = DurableCount(files(), path)
        assert register.value == (11, 5)[torn]
        register.add(1)
        assert content("%s.%d" % (path, 1 - torn)) == before


def test_a_seal_and_a_frame_are_as_before():
    assert seal.seal(binascii.crc32(b"{}")) == binascii.unhexlify(SEAL)
    assert seal.strip(b"{}" + binascii.unhexlify(SEAL)) == b"{}"
    assert frame.encode(b"\x00\x01message") == binascii.unhexlify(FRAME)
    assert list(frame.FrameDecoder().feed(binascii.unhexlify(FRAME))) == [b"\x00\x01message"]
