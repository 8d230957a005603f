"""The link: every pack gets there once, whatever the line does; nothing is released that was not acknowledged."""

import random

from fakes import Port, Time, files, scratch
from wayside_node.journal import Journal
from wayside_node.link import WINDOW, Link
from wayside_wire import frame, link
from wayside_wire.pack import SYNCED, UNSYNCED, pack_hash

BAUD = 115200
NOW = 1_790_000_000_000
HELLO = link.Hello(link.VERSION, bytes(8), 1, "TEST", "wayside-node")


class Bench:
    """A link with one port and the journals of some devices; the test is the gateway."""

    def __init__(self, devices=("meter-1",), limit=1 << 16):
        path = scratch("state")
        self.time = Time()
        self.clock = self.time.clock()
        self.port = Port()
        self.link = Link(BAUD, self.clock, HELLO, lambda limit: limit // 2)
        self.link.attach(self.port)
        self.journals = {}
        for device in devices:
            self.journals[device] = Journal(files(), path + "/" + device, limit)
            self.link.add(device, self.journals[device])
        self.decoder = frame.Decoder()

    def store(self, count, device="meter-1", start=0, size=60):
        for sequence in range(start, start + count):
            self.journals[device].append(1, sequence, raw(device, sequence, size))

    def step(self, ms=5):
        """The messages that one step sends."""
        self.link.step()
        messages = [link.decode(message) for message in self.decoder.feed(self.port.taken())]
        self.time.advance(ms)
        return messages

    def packs(self, ms=5):
        return [message for message in self.step(ms) if isinstance(message, link.PackMessage)]

    def send(self, message):
        self.port.put(frame.encode(link.encode(message)))

    def acknowledge(self, sequence, device="meter-1", size=60):
        self.send(link.Ack(device, 1, sequence, pack_hash(raw(device, sequence, size))))

    def until(self, condition, limit_ms=300000):
        """All packs sent until the condition holds."""
        sent = []
        end = self.time.at_ms + limit_ms
        while not condition():
            sent += self.packs()
            assert self.time.at_ms < end, "waited too long"
        return sent

    def held(self, device="meter-1"):
        journal = self.journals[device]
        found = []
        position = journal.first
        while True:
            stored = journal.read(position)
            if stored is None:
                return found
            found.append(stored.sequence)
            position = stored.end


def raw(device, sequence, size=60):
    return device.encode() + bytes([sequence & 0xFF, sequence >> 8]) + bytes(size)


def sequence_of(message):
    return message.raw[7] | message.raw[8] << 8


def test_hello_goes_out_until_the_time_comes():
    bench = Bench()
    hellos = 0
    for _ in range(24000):
        hellos += len([m for m in bench.step() if isinstance(m, link.Hello)])
    assert 5 <= hellos <= 40, hellos
    bench.send(link.Time(NOW, SYNCED))
    assert bench.step() == []
    assert bench.clock.quality() == SYNCED
    for _ in range(12000):
        assert bench.step() == []
        if bench.time.at_ms % 60000 < 5:
            bench.send(link.Time(NOW + bench.time.at_ms, SYNCED))


def test_the_node_asks_again_when_no_time_came_for_long():
    bench = Bench()
    bench.send(link.Time(NOW, SYNCED))
    bench.step()
    hellos = 0
    for _ in range(30000):
        hellos += len([m for m in bench.step() if isinstance(m, link.Hello)])
    assert hellos >= 1


def test_a_gateway_without_time_is_asked_on():
    bench = Bench()
    bench.step()
    bench.send(link.Time(NOW, UNSYNCED))
    bench.step()
    assert bench.clock.quality() == UNSYNCED


def test_the_oldest_packs_go_first_in_a_small_window():
    bench = Bench()
    bench.store(20)
    sent = bench.packs()
    assert [sequence_of(m) for m in sent] == list(range(WINDOW))
    assert [(m.oldest_boot, m.oldest_sequence) for m in sent] == [(1, 0)] * WINDOW
    assert bench.packs() == []
    bench.acknowledge(0)
    assert [sequence_of(m) for m in bench.packs()] == [WINDOW]
    assert bench.held()[0] == 1


def test_an_acknowledgement_out_of_order_releases_nothing_before_it():
    bench = Bench()
    bench.store(4)
    bench.packs()
    bench.acknowledge(2)
    bench.packs()
    assert bench.held() == [0, 1, 2, 3]
    bench.acknowledge(0)
    bench.packs()
    assert bench.held() == [1, 2, 3]
    bench.acknowledge(1)
    bench.packs()
    assert bench.held() == [3]


def test_only_the_very_pack_is_released():
    bench = Bench()
    bench.store(3)
    bench.packs()
    good = pack_hash(raw("meter-1", 0))
    for wrong in (
        link.Ack("meter-2", 1, 0, good),
        link.Ack("meter-1", 2, 0, good),
        link.Ack("meter-1", 1, 1, good),
        link.Ack("meter-1", 1, 0, bytes(16)),
        link.Ack("meter-1", 1, 9, good),
    ):
        bench.send(wrong)
    bench.packs()
    assert bench.held() == [0, 1, 2]
    assert bench.link.counts["foreign acknowledgements"] == 5


def test_a_silent_gateway_is_asked_with_the_oldest_only_and_ever_more_rarely():
    bench = Bench()
    bench.store(20)
    times = []
    while bench.time.at_ms < 600_000:
        for message in bench.packs():
            times.append((bench.time.at_ms, sequence_of(message)))
    assert [n for _, n in times[WINDOW:]] == [0] * (len(times) - WINDOW)
    pauses = [after - before for (before, _), (after, _) in zip(times[WINDOW - 1 :], times[WINDOW:])]
    assert pauses[0] > 1000
    assert max(pauses) > 10_000 and max(pauses) <= 32_000
    # It comes back: everything goes out without another wait.
    acknowledged = 0
    end = bench.time.at_ms + 60_000
    while bench.held() and bench.time.at_ms < end:
        for message in bench.packs():
            bench.acknowledge(sequence_of(message))
            acknowledged += 1
    assert bench.held() == []
    assert acknowledged == 20


def test_a_refused_pack_holds_up_its_own_device_only():
    bench = Bench(("meter-1", "meter-2"))
    bench.store(5, "meter-1")
    bench.store(30, "meter-2")
    for _ in range(4000):
        for message in bench.packs():
            if message.raw.startswith(b"meter-1"):
                bench.send(link.Error(link.UNKNOWN_DEVICE, "meter-1 is not known here"))
            else:
                bench.acknowledge(sequence_of(message), "meter-2")
    assert bench.held("meter-2") == []
    assert bench.held("meter-1") == [0, 1, 2, 3, 4]
    assert "not known" in bench.link.last_error


def test_packs_dropped_by_a_full_journal_leave_the_window():
    bench = Bench(limit=1600)
    bench.store(4)
    bench.packs()
    bench.store(40, start=4)
    held = bench.held()
    assert held[0] > 4
    sent = bench.until(lambda: bench.time.at_ms > 3000)
    assert sequence_of(sent[0]) == held[0]
    assert sent[0].oldest_sequence == held[0]
    bench.acknowledge(0)
    bench.packs()
    assert bench.link.counts["foreign acknowledgements"] == 1
    assert bench.held() == held


def test_a_slow_port_gets_whole_frames_piece_by_piece():
    bench = Bench()
    bench.store(3, size=400)
    found = []
    for _ in range(200):
        bench.port.room = 37
        found += bench.packs()
    assert [sequence_of(m) for m in found] == [0, 1, 2]


def test_a_stuck_port_costs_a_repetition():
    bench = Bench()
    bench.send(link.Time(NOW, SYNCED))
    bench.store(1, size=400)
    bench.port.room = 100
    for _ in range(1000):
        assert bench.packs() == []
    assert bench.link.counts["stalled"] >= 1
    bench.port.room = 1 << 30
    sent = bench.until(lambda: bench.link.counts["packs sent"] > 1, 60000)
    assert [sequence_of(m) for m in sent + bench.packs()] == [0]


def test_noise_and_nonsense_are_counted_and_change_nothing():
    bench = Bench()
    bench.store(2)
    bench.packs()
    bench.port.put(b"\x05noise\x00")
    bench.port.put(bytes([7]) * 5000 + b"\x00")
    bench.port.put(frame.encode(b"\xff\xff"))
    bench.send(link.PackMessage(1, 0, b"a pack for a node"))
    half = frame.encode(link.encode(link.Ack("meter-1", 1, 0, pack_hash(raw("meter-1", 0)))))
    bench.port.put(half[: len(half) // 2] + b"\x00")
    bench.packs()
    counts = bench.link.counts
    assert (counts["crc errors"], counts["oversize frames"], counts["bad messages"]) == (2, 1, 2)
    assert bench.held() == [0, 1]


def test_a_clock_that_jumps_a_year_changes_no_order():
    bench = Bench()
    for year in range(6):
        bench.send(link.Time(NOW + (year % 2) * 31_536_000_000 + bench.time.at_ms, SYNCED))
        bench.store(1, start=year)
        bench.step()
    sent = bench.until(lambda: bench.time.at_ms > 10000)
    assert bench.held() == [0, 1, 2, 3, 4, 5]
    while bench.held():
        for message in sent:
            bench.acknowledge(sequence_of(message))
        sent = bench.packs()


def test_tidy_frees_what_is_acknowledged():
    bench = Bench(limit=1600)
    bench.store(10)
    while bench.held():
        for message in bench.packs():
            bench.acknowledge(sequence_of(message))
    assert bench.link.untidy()
    bench.link.tidy()
    assert not bench.link.untidy()


def chance(percent):
    return random.getrandbits(16) % 100 < percent


class LossyGateway:
    """Logs packs in order, as the real one does, over a line that loses, doubles and spoils frames both ways."""

    def __init__(self, bench, percent):
        self.bench = bench
        self.percent = percent
        self.decoder = frame.Decoder()
        self.logged = {}

    def round(self):
        self.bench.link.step()
        for message in self.decoder.feed(self.spoil(self.bench.port.taken())):
            message = link.decode(message)
            if isinstance(message, link.PackMessage):
                self.take(message)
            else:
                self.answer(link.Time(NOW + self.bench.time.at_ms, SYNCED))
        self.bench.time.advance(20)

    def take(self, message):
        device = message.raw[:7].decode()
        sequence = sequence_of(message)
        logged = self.logged.setdefault(device, [])
        if sequence > len(logged):
            assert message.oldest_sequence <= len(logged), "the node has let go of a pack that was never logged"
            self.answer(link.Error(link.OUT_OF_ORDER, "packs before this one come first"))
            return
        if sequence == len(logged):
            logged.append(message.raw)
        assert logged[sequence] == message.raw
        if not chance(self.percent):
            self.answer(link.Ack(device, 1, sequence, pack_hash(message.raw)))

    def answer(self, message):
        data = self.spoil(frame.encode(link.encode(message)))
        self.bench.port.put(data)
        if chance(self.percent):
            self.bench.port.put(data)

    def spoil(self, data):
        data = bytearray(data)
        if data and chance(self.percent):
            data[random.getrandbits(16) % len(data)] ^= 1 << random.getrandbits(3)
        if data and chance(self.percent):
            data = data[: random.getrandbits(16) % len(data)]
        return bytes(data)


def test_every_pack_arrives_over_a_lossy_line():
    for seed in range(9):
        random.seed(seed)
        bench = Bench(("meter-1", "meter-2"), limit=1 << 14)
        gateway = LossyGateway(bench, (0, 5, 15)[seed % 3])
        stored = 0
        while stored < 40 or bench.held("meter-1") or bench.held("meter-2"):
            if stored < 40:
                bench.store(1, "meter-1", stored)
                bench.store(1, "meter-2", stored)
                stored += 1
            for _ in range(50):
                gateway.round()
            bench.link.tidy()
            assert bench.time.at_ms < 3_000_000, "seed %d: not there in time" % seed
        for device in ("meter-1", "meter-2"):
            assert gateway.logged[device] == [raw(device, n) for n in range(40)]
            assert bench.journals[device].dropped == 0
