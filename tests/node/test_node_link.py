"""The link: every pack gets there once, whatever the line does; nothing is released that was not acknowledged."""

import random

from fakes import NOW, EndlessPort, LinkGateway, Port, Time, files, node_end, scratch
from wayside_node.journal import PackJournal
from wayside_node.link import WINDOW, NodeLinkEnd
from wayside_wire import frame, link
from wayside_wire.pack import HOLDOVER, SYNCED, UNSYNCED, pack_hash

BAUD = 115200


class Bench:
    """A link with one port and the journals of some devices; the test is the gateway behind `gateway`."""

    def __init__(self, devices=("meter-1",), limit=1 << 16, connected=True):
        path = scratch("state")
        self.time = Time()
        self.clock = self.time.clock()
        self.port = Port()
        self.told = []
        self.link = NodeLinkEnd(BAUD, self.clock, node_end(), lambda limit: limit // 2, self.told.append)
        self.link.attach(self.port)
        self.gateway = LinkGateway(lambda: NOW + self.time.at_ms)
        self.deaf = False
        self.journals = {}
        for device in devices:
            self.journals[device] = PackJournal(files(), path + "/" + device, limit)
            self.link.add(device, self.journals[device])
        self.decoder = frame.FrameDecoder()
        while connected and not self.link.reached:
            assert self.step() == []

    def store(self, count, device="meter-1", start=0, size=60):
        for sequence in range(start, start + count):
            self.journals[device].append_pack(1, sequence, raw(device, sequence, size))

    def step(self, ms=5):
        """What one step says in the session; hello and the like are answered, unless the gateway is deaf."""
        if self.link.agreement_due():
            self.link.agree()
        self.link.step()
        messages = []
        for data in self.decoder.feed(self.port.taken()):
            heard, answer = self.gateway.take(data) if not self.deaf else ([], b"")
            messages += heard
            self.port.put(answer)
        self.time.advance(ms)
        return messages

    def packs(self, ms=5):
        return [message for message in self.step(ms) if isinstance(message, link.PackMessage)]

    def send(self, message):
        self.port.put(self.gateway.seal(message))

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


def run_for(bench, ms, step_ms=50):
    end = bench.time.at_ms + ms
    while bench.time.at_ms < end:
        assert bench.step(step_ms) == []


def test_hello_goes_out_until_a_session_stands_and_the_time_is_asked_for_every_minute():
    bench = Bench(connected=False)
    bench.deaf = True
    hellos = 0
    while bench.time.at_ms < 120_000:
        bench.link.step()
        hellos += len([m for m in bench.decoder.feed(bench.port.taken()) if isinstance(link.decode(m), link.Hello)])
        bench.time.advance(20)
    assert 5 <= hellos <= 40, hellos
    assert bench.clock.quality() == UNSYNCED
    bench.deaf = False
    run_for(bench, 60_000)
    assert bench.clock.quality() == SYNCED and bench.clock.stamp(bench.clock.now()) - NOW - bench.time.at_ms < 100
    assert bench.gateway.hellos == 1
    asks = bench.gateway.asks
    run_for(bench, 600_000)
    assert 9 <= bench.gateway.asks - asks <= 10
    assert bench.gateway.hellos == 1 and bench.link.counts["sessions"] == 1


def test_the_gateway_is_told_who_it_is():
    bench = Bench()
    assert bench.gateway.abouts == [(1, "TEST", "wayside-node")]


def test_a_gateway_without_time_is_asked_on_ever_more_rarely():
    bench = Bench(connected=False)
    bench.gateway.quality = UNSYNCED
    run_for(bench, 600_000)
    assert bench.clock.quality() == UNSYNCED
    assert 15 < bench.gateway.asks < 60


def test_a_time_counts_by_the_age_of_its_question():
    cases = ((500, SYNCED, "times"), (10_000, HOLDOVER, "times"), (40_000, UNSYNCED, "times too late"))
    for held_ms, quality, count in cases:
        bench = Bench(connected=False)
        bench.gateway.quality = None
        run_for(bench, 500)
        answer = bench.gateway.tell
        bench.gateway.quality = SYNCED
        held = answer(0)
        bench.gateway.quality = None
        bench.deaf = True  # and no other answer comes
        bench.link._ask = lambda now: None
        run_for(bench, held_ms)
        bench.port.put(held)
        bench.step()
        assert bench.clock.quality() == quality, held_ms
        assert bench.link.counts[count] == 1


def test_a_time_that_was_not_asked_for_does_not_count():
    bench = Bench()
    run_for(bench, 10_000)
    for asked in (0, 1, 7):
        bench.send(link.TimeMessage(NOW + 1500, SYNCED, asked))
    run_for(bench, 100)
    assert bench.link.counts["times not asked for"] == 3
    assert abs(bench.clock.stamp(bench.clock.now()) - NOW - bench.time.at_ms) < 100


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
    bench.port.put(frame.encode(link.encode(link.PackMessage(1, 0, b"a pack for a node"))))
    half = frame.encode(link.encode(link.Ack("meter-1", 1, 0, pack_hash(raw("meter-1", 0)))))
    bench.port.put(half[: len(half) // 2] + b"\x00")
    for _ in range(6):  # a step takes no more than a KiB
        bench.packs()
    counts = bench.link.counts
    assert (counts["crc errors"], counts["oversize frames"]) == (2, 1)
    assert (counts["bad messages"], counts["messages without a seal"]) == (2, 1)
    assert bench.held() == [0, 1]


def test_a_clock_that_jumps_a_year_is_told_and_changes_no_order():
    bench = Bench()
    bench.store(3)
    bench.gateway.told_ms = lambda: NOW + 31_536_000_000 + bench.time.at_ms
    end = bench.time.at_ms + 120_000
    while bench.time.at_ms < end:
        bench.step(50)
    assert bench.clock.jumps == 1 and bench.clock.stamp(bench.clock.now()) > NOW + 31_000_000_000
    assert ["doubted" in bench.told[0], "moved by" in bench.told[1], len(bench.told)] == [True, True, 2]
    bench.store(3, start=3)
    while bench.held():
        for message in bench.packs():
            bench.acknowledge(sequence_of(message))
    assert bench.link.counts["acknowledged"] == 6


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
        self.decoder = frame.FrameDecoder()
        self.logged = {}

    def round(self):
        if self.bench.link.agreement_due():
            self.bench.link.agree()
        self.bench.link.step()
        for data in self.decoder.feed(self.spoil(self.bench.port.taken())):
            heard, answer = self.bench.gateway.take(data)
            self.put(answer)
            for message in heard:
                self.take(message)
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
        self.put(self.bench.gateway.seal(message))

    def put(self, data):
        data = self.spoil(data)
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


def test_a_line_without_end_costs_a_step_four_buffers_and_packs_go_on():
    noise = bytes([(at * 197 + at * at) & 0xFF for at in range(251)])
    for babble in (b"\0", b"\xff", b"\x55", b"\x01\0", noise, frame.encode(b"nonsense")):
        bench = Bench()
        bench.store(3)
        quiet, babbling = bench.port, EndlessPort(babble)
        bench.link.attach(babbling)
        sent = []
        decoder = frame.FrameDecoder()
        for _ in range(200):
            babbling.looks = 0
            bench.link.step()
            assert babbling.looks == 4
            bench.time.advance(5)
            sent += decoder.feed(babbling.taken())
        assert len(sent) >= 3  # what the node has to say, it says
        assert bench.held() == [0, 1, 2]  # and what nobody acknowledged it keeps
        bench.link.attach(quiet)
        for sequence in range(3):
            bench.acknowledge(sequence)
        bench.until(lambda bench=bench: not bench.held())
