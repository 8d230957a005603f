"""Packs of a device that is not configured any more: sent, or named, then removed; over every power cut."""

from fakes import NOW, LinkGateway, Port, Time, files, node_end, scratch
from power import MODES, CutFiles, PowerCut
from wayside_node.journal import PackJournal
from wayside_node.link import NodeLinkEnd
from wayside_node.orphans import Orphans
from wayside_wire import frame, link
from wayside_wire.pack import pack_hash

LIMIT = 1600
HOUR_MS = 3600000


def raw(device, sequence):
    return device.encode() + bytes([sequence]) + bytes(30)


class Bench:
    """A node with the live device `meter-1` and the orphans that its state has, and a gateway that takes the packs of
    `known` devices and acknowledges what is given up."""

    def __init__(self, path, known, disk=None):
        self.path = path
        self.known = known
        self.time = Time()
        self.clock = self.time.clock()
        self.port = Port()
        self.told = []
        self.disk = disk or files()
        self.link = NodeLinkEnd(115200, self.clock, node_end(), lambda limit: limit // 2, self.told.append)
        self.link.attach(self.port)
        self.gateway = LinkGateway(lambda: NOW + self.time.at_ms)
        self.live = PackJournal(self.disk, path + "/journal/meter-1", LIMIT, lambda: self.orphans.make_room())
        self.link.add("meter-1", self.live)
        self.orphans = Orphans(self.disk, path, ["meter-1"], LIMIT, self.clock, self.told.append)
        self.orphans.attach(self.link)
        self.decoder = frame.FrameDecoder()
        self.packs = []  # (device's name and sequence) as they came
        self.given_up = []

    def step(self, ms=20):
        if self.link.agreement_due():
            self.link.agree()
        self.link.step()
        if self.link.untidy():
            self.link.tidy()
        if self.orphans.due():
            self.orphans.step()
        for data in self.decoder.feed(self.port.taken()):
            heard, answer = self.gateway.take(data)
            self.port.put(answer)
            for message in heard:
                self._answer(message)
        self.time.advance(ms)

    def _answer(self, message):
        if isinstance(message, link.PackMessage):
            device, sequence = message.raw[:7].decode(), message.raw[7]
            if device in self.known:
                self.packs.append((device, sequence))
                self.port.put(self.gateway.seal(link.Ack(device, 1, sequence, pack_hash(message.raw))))
            else:
                self.port.put(self.gateway.seal(link.Error(link.UNKNOWN_DEVICE, device)))
        elif isinstance(message, link.GivenUp) and (not message.held or message.device not in self.known):
            self.given_up.append((message.device, message.sequence, message.held))
            self.port.put(self.gateway.seal(link.Ack(message.device, message.boot, message.sequence, message.hash)))

    def run(self, ms, step_ms=20):
        end = self.time.at_ms + ms
        while self.time.at_ms < end:
            self.step(step_ms)

    def folders(self):
        return files().names(self.path + "/journal")


def fill(path, device, count, disk=None):
    journal = PackJournal(disk or files(), "%s/journal/%s" % (path, device), LIMIT)
    for sequence in range(count):
        journal.append_pack(1, sequence, raw(device, sequence))
    journal.close()


KEPT = ("serial-", "place-")  # what MeterMemory keeps beside a journal


def state(*devices):
    path = scratch("state")
    for device in devices:
        fill(path, device, 5)
        for kept in KEPT:
            files().replace(path + "/" + kept + device, b"of the meter")
    return path


def test_what_is_not_configured_any_more_is_sent_and_then_removed():
    path = state("meter-8", "meter-9")
    bench = Bench(path, ["meter-1", "meter-8", "meter-9"])
    bench.live.append_pack(1, 0, raw("meter-1", 0))
    bench.run(20000)
    assert sorted(set(bench.packs)) == [("meter-1", 0)] + [(d, n) for d in ("meter-8", "meter-9") for n in range(5)]
    assert bench.given_up == [("meter-8", 4, 0), ("meter-9", 4, 0)]
    assert bench.folders() == ["meter-1"]
    assert not [name for name in files().names(path) if name.startswith(KEPT)]
    assert bench.orphans.counts == {"orphans settled": 2} and not bench.orphans.due()


def test_what_the_gateway_does_not_take_is_given_up_in_the_end_and_not_at_once():
    bench = Bench(state("meter-9"), ["meter-1"])
    bench.run(HOUR_MS - 10000, 500)
    assert bench.folders() == ["meter-1", "meter-9"] and not bench.given_up
    bench.run(60000, 500)
    assert bench.given_up == [("meter-9", 4, 5)] and bench.folders() == ["meter-1"]


def test_a_gateway_that_is_away_costs_nothing():
    bench = Bench(state("meter-9"), ["meter-1", "meter-9"])
    bench.gateway.take = lambda data: ([], b"")
    bench.run(3 * HOUR_MS, 2000)
    assert bench.folders() == ["meter-1", "meter-9"]
    del bench.gateway.take
    bench.run(60000)
    assert sorted(set(bench.packs)) == [("meter-9", n) for n in range(5)] and bench.folders() == ["meter-1"]


def test_what_was_spoilt_at_the_end_is_named_too():
    path = state("meter-9")
    name = path + "/journal/meter-9/" + files().names(path + "/journal/meter-9")[-1]
    data = bytearray(files().read(name))
    data[-70] ^= 1  # the front of the last pack
    files().replace(name, bytes(data))
    bench = Bench(path, ["meter-1", "meter-9"])
    bench.run(20000)
    assert sorted(set(bench.packs)) == [("meter-9", n) for n in range(4)]
    assert bench.given_up == [("meter-9", 3, 0)] and bench.folders() == ["meter-1"]


def test_an_empty_folder_is_removed_and_a_file_is_left_alone():
    path = state()
    files().make_directory(path + "/journal/meter-7")
    files().replace(path + "/journal/note", b"of somebody")
    bench = Bench(path, [])
    bench.run(20000)
    assert bench.folders() == ["meter-1", "note"] and not bench.given_up


def test_a_power_cut_in_each_step_leaves_nothing_behind_for_good():
    whole = [("meter-9", n) for n in range(5)]
    for mode in MODES:
        budget = 0
        cuts = 0
        while True:
            path = state("meter-9")
            bench = None
            is_cut = False
            try:
                bench = Bench(path, ["meter-1", "meter-9"], CutFiles(budget, mode))
                bench.run(15000)
            except PowerCut:
                is_cut = True
                cuts += 1
            packs = bench.packs if bench else []
            after = Bench(path, ["meter-1", "meter-9"])
            after.run(20000)
            assert sorted(set(packs + after.packs)) == whole, (mode, budget)
            assert after.folders() == ["meter-1"], (mode, budget)
            assert not [name for name in files().names(path) if name.startswith(KEPT) and after.given_up]
            if not is_cut:
                break
            budget += 1
        assert cuts > 5, cuts


def test_of_a_full_flash_orphans_give_way_first_and_their_heads_stay():
    path = state("meter-8", "meter-9")
    bench = Bench(path, ["meter-1", "meter-8", "meter-9"])
    write = bench.disk.write
    room = [0]

    def full(file, data):
        if len(data) > 40 and not room[0]:
            raise OSError(28)
        write(file, data)

    bench.disk.write = full
    for _ in range(12):
        before = [files().names(path + "/journal/" + name) for name in ("meter-8", "meter-9")]
        try:
            bench.live.append_pack(1, 0, raw("meter-1", 0))
        except OSError:
            pass
        after = [files().names(path + "/journal/" + name) for name in ("meter-8", "meter-9")]
        assert before != after or [len(names) for names in after] == [1, 1]
    assert bench.orphans.counts["orphan packs dropped"] == 10
    room[0] = 1
    bench.run(20000)
    assert bench.packs == [] or set(bench.packs) == {("meter-1", 0)}
    assert bench.given_up == [("meter-8", 4, 0), ("meter-9", 4, 0)] and bench.folders() == ["meter-1"]
