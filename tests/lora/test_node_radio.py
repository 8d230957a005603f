"""The node's transmitter, radio board and uplink on both interpreters: plain asserts, no pytest."""

import asyncio
import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import Keys, Port, Time, files, scratch
from wayside_node import radio
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.radio_config import RadioSettings
from wayside_node.radio_remote import Remote, Working
from wayside_node.radio_sensor import RadioUplink, UplinkSettings
from wayside_wire import frame, lora, lora_config, pack, region
from wayside_wire import lora_link as messages
from wayside_wire import lora_report as wire
from wayside_wire.airtime import airtime_us

HOUR_MS = 3600000
KEY = bytes(range(16))
PROFILE = wire.AirProfile([wire.ReportChannel("t", "Cel", -2), wire.ReportChannel("rh", "%RH", -2)])
EU = RadioSettings("EU868", 868300, 7, 125000)
OWN = Working(900000, 3, 7, ["t", "rh"], {})


class Packet(bytearray):
    rssi, snr, valid_crc = -90, 30, True


class Modem:
    """Sends to `heard`, hears from `coming`: a list of packets, or a function that makes the next one."""

    def __init__(self, time):
        self.time = time
        self.heard = []
        self.coming = []
        self.reply = None
        self.broken = False
        self.sf = 7

    async def send(self, packet):
        if self.broken:
            raise OSError(5)
        self.heard.append(bytes(packet))
        self.time.advance(airtime_us(len(packet), 7) // 1000)

    def configure(self, settings):
        self.sf = settings["sf"]

    async def recv(self, timeout_ms=None):
        raw = self.reply(self.heard[-1]) if self.reply else None
        self.time.advance(timeout_ms if raw is None else 50)
        return None if raw is None else Packet(raw)

    def recv_continuous(self):
        return self

    async def __anext__(self):
        if not self.coming:
            raise StopAsyncIteration
        return self.coming.pop(0)


def transmitter(time, modem, path, settings=EU, is_free=None):
    rules = region.REGIONS[settings.region]
    band = region.band_of(rules, settings.freq_khz, settings.bw_hz)
    budget = radio.Budget(files(), path, band.duty_permille, time.clock())
    return radio.Transmitter(modem, settings, budget, time.clock(), lambda limit: limit // 2, is_free)


def test_no_reboot_buys_airtime():
    path = scratch("budget") + "/airtime"
    state = 5
    time = Time()
    spent = []  # (when on the wall, us)
    wall_ms = 0
    budget = radio.Budget(files(), path, 10, time.clock())
    began = wall_ms
    for step in range(3000):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        time.advance(state % 4000)
        now = began + time.at_ms
        wanted = 50000 + state % 200000
        if budget.wait_us(wanted) == 0:
            budget.spend(wanted)
            spent.append((now, wanted))
        if step % 250 == 249:  # the board starts again; its clock with it
            began = now
            time = Time()
            budget = radio.Budget(files(), path, 10, time.clock())
        window = sum([us for at, us in spent if at > now - HOUR_MS])
        assert window <= 36000000, step
    assert len(spent) > 100


def test_torn_accounts():
    path = scratch("torn") + "/airtime"
    time = Time()
    budget = radio.Budget(files(), path, 10, time.clock())
    budget.spend(30000000)
    budget.spend(5000000)
    with open(path + ".1", "wb") as file:
        file.write(b"torn")
    assert radio.Budget(files(), path, 10, time.clock()).wait_us(7000000) > 0
    with open(path + ".0", "wb") as file:
        file.write(b"")
    assert radio.Budget(files(), path, 10, time.clock()).wait_us(1) > 0  # nobody knows: as if all were used
    assert radio.Budget(files(), path + "-new", 10, time.clock()).wait_us(1) == 0


def test_what_may_not_be_sent():
    time = Time()
    modem = Modem(time)
    asia = transmitter(time, modem, scratch("asia") + "/a", RadioSettings("AS923", 923200, 10, 125000))
    assert asyncio.run(asia.send(bytes(51))) == messages.TOO_LONG
    broken = transmitter(time, modem, scratch("broken") + "/a")
    modem.broken = True
    assert asyncio.run(broken.send(bytes(51))) == messages.FAILED
    modem.broken = False
    used_up = transmitter(time, modem, scratch("used") + "/a", RadioSettings("EU868", 868800, 7, 125000))  # 0.1 %
    statuses = [asyncio.run(used_up.send(bytes(51))) for _ in range(40)]
    assert statuses.count(messages.DONE) == 3600000 // airtime_us(51, 7)
    assert statuses[-1] == messages.NO_BUDGET and used_up.counts["airtime used up"] == statuses.count(
        messages.NO_BUDGET
    )
    assert not asia.sent and len(modem.heard) == used_up.sent


def test_listen_before_talk_and_pause():
    time = Time()
    modem = Modem(time)
    asked = []
    free = [False]

    async def is_free(listen_us, dbm):
        asked.append((listen_us, dbm))
        return free[0]

    korea = transmitter(time, modem, scratch("korea") + "/a", RadioSettings("KR920", 922100, 7, 125000), is_free)
    assert asyncio.run(korea.send(bytes(20))) == messages.CHANNEL_BUSY
    assert asked == [(5000, -65)] * 5 and not modem.heard
    assert korea.counts == {"backed off": 5, "channel busy": 1}
    assert time.at_ms == (200 + 400 + 800 + 1600) // 2  # the jitter of this test is the half
    began = time.at_ms
    assert asyncio.run(korea.send(bytes(20), began + 400)) == messages.CHANNEL_BUSY
    assert time.at_ms - began == 300 and len(asked) == 8  # a third pause would have been too long
    free[0] = True
    assert asyncio.run(korea.send(bytes(20))) == messages.DONE
    ended = time.at_ms
    assert asyncio.run(korea.send(bytes(20))) == messages.DONE
    assert time.at_ms - ended >= 50 + airtime_us(20, 7) // 1000


class Stop(Exception):
    pass


def run_until(coroutine):
    try:
        asyncio.run(coroutine)
    except Stop:
        return
    raise AssertionError("ended by itself")


def said(port):
    return [messages.decode(data) for data in frame.FrameDecoder().feed(port.taken())]


def test_the_radio_board_hands_on_what_is_whole():
    time = Time()
    modem = Modem(time)
    port = Port()
    bridge = radio.Bridge(modem, transmitter(time, modem, scratch("hear") + "/a"), time.clock(), (3, "UNIX", "x"))
    bridge.attach(port)
    damaged = Packet(b"damaged")
    damaged.valid_crc = False
    modem.coming = [Packet(b"one"), damaged, Packet(b""), Packet(b"two")]
    beats = []

    def beat():
        beats.append(1)
        if not modem.coming:
            raise Stop()

    async def wait_for_ms(awaitable, ms):
        return await awaitable

    run_until(bridge.listen(beat, wait_for_ms, TypeError))
    assert [heard.raw for heard in said(port)] == [b"one", b"two"]
    assert bridge.counts == {"heard": 2, "damaged": 2}


def test_the_radio_board_sends_in_time_or_not_at_all():
    time = Time()
    modem = Modem(time)
    port = Port()
    bridge = radio.Bridge(modem, transmitter(time, modem, scratch("send") + "/a"), time.clock(), (3, "UNIX", "x"))
    bridge.attach(port)
    for number in range(6):
        port.put(frame.encode(messages.encode(messages.Send(number, 100, bytes(51)))))
    port.put(b"noise\x00" + frame.encode(b"\x81\x01"))
    left = [40]

    def beat():
        left[0] -= 1
        if not left[0]:
            raise Stop()

    run_until(bridge.serve(beat))
    told = said(port)
    assert isinstance(told[0], messages.RadioStatus) and told[0].limit_us == 36000000
    sent = [each for each in told if isinstance(each, messages.Sent)]
    # 100 ms for each, and one takes 103: of four that wait, the first is in time.
    assert [each.status for each in sent] == [messages.DONE] + [messages.FAILED] * 3
    assert len(modem.heard) == 1
    assert bridge.counts["orders dropped"] == 2 and bridge.counts["sent too late"] == 3
    assert bridge.counts["bad messages"] == 1


class Gateway:
    """The other end of an uplink: keeps reports, and takes a pack when it has them all."""

    def __init__(self, time, deaf_to=()):
        self.time = time
        self.session = lora.LoraSession(KEY, PROFILE.digest)
        self.reports = {}
        self.taken = []
        self.deaf_to = list(deaf_to)
        self.seen = 0
        self.last = -1
        self.back_ms = 0
        self.statuses = []
        self.config = b""  # goes out with each answer to a head or a status
        self.newest = pack.NO_PREVIOUS

    def hear(self, raw):
        header = lora.read_header(raw)
        assert header.counter > self.last
        self.last = header.counter
        payload = self.session.open(raw)
        self.seen += 1
        if self.seen in self.deaf_to:
            return None
        if header.kind == lora.REPORT:
            report = wire.decode_report(PROFILE, payload)
            self.reports[report.time_s] = report
            answer = wire.AirAnswer(wire.TIME, pack.SYNCED, self.utc_ms(), 0, 0, 0, b"")
            return self.seal(header, answer) if header.asks else None
        if header.kind == lora.STATUS:
            self.statuses.append(lora_config.decode_status(payload))
            return self.seal(header, wire.AirAnswer(wire.TIME, pack.SYNCED, self.utc_ms(), 0, 0, 0, self.config))
        head = wire.decode_head(payload)
        missing = 0
        for place, time_s in enumerate(head.times_s):
            if time_s not in self.reports:
                missing |= 1 << place
        if missing:
            return self.seal(header, self.answer(wire.MISSING, head, missing))
        if head.older_held and head.previous != self.newest:
            return self.seal(header, self.answer(wire.OUT_OF_ORDER, head, 0))
        made = wire.pack_of("air-1", head, self.reports)
        raw = pack.sign_pack(made, bytes(8), lambda message: head.signature)
        self.newest = pack.pack_hash(raw)
        self.taken.append((head.boot, head.sequence, head.previous, made))
        self.hash = pack.pack_hash(raw)[:8]
        return self.seal(header, self.answer(wire.TAKEN, head, self.hash))

    def answer(self, status, head, detail):
        return wire.AirAnswer(status, pack.SYNCED, self.utc_ms(), head.boot, head.sequence, detail, self.config)

    def utc_ms(self):
        return 1790000000000 + self.time.at_ms - self.back_ms

    def seal(self, header, answer):
        back = lora.Header(lora.ANSWER, False, header.network, header.node, header.counter)
        return self.session.seal(back, wire.encode_answer(answer))


class Bench:
    def __init__(self, name, deaf_to=()):
        folder = scratch(name)
        self.time = Time()
        self.modem = Modem(self.time)
        self.gateway = Gateway(self.time, deaf_to)
        self.identity = open_identity(files(), folder, Keys, lambda size: bytes(size))
        self.identity.kid = bytes(8)
        self.journal = PackJournal(files(), folder + "/journal", 16384)
        self.clock = self.time.clock()
        self.transmitter = transmitter(self.time, self.modem, folder + "/airtime")
        settings = UplinkSettings(1, 2, "air-1", 500)
        boot = self.identity.counters.next_boot()
        self.remote = Remote(files(), folder + "/remote", PROFILE, OWN)
        self.uplink = RadioUplink(
            settings,
            PROFILE,
            KEY,
            self.identity,
            boot,
            self.journal,
            self.transmitter,
            self.modem,
            self.clock,
            self.remote,
        )
        self.answered = {}
        self.modem.reply = self.reply

    def reply(self, raw):
        return self.answered.pop(raw, None)

    def report(self, value):
        # The gateway hears a frame when it is sent, and its answer waits for who listens.
        self.time.advance(60000)
        channels = PROFILE.channels
        readings = [pack.Reading(row.name, row.unit, value, row.exponent, pack.GOOD, "", 0) for row in channels]
        asyncio.run(self.uplink.take(readings))


def connect(bench):
    send = bench.modem.send

    async def heard(packet):
        await send(packet)
        answer = bench.gateway.hear(bytes(packet))
        if answer is not None:
            bench.answered[bytes(packet)] = answer

    bench.modem.send = heard


def test_an_uplink_learns_the_time_and_has_its_packs_taken():
    bench = Bench("uplink")
    connect(bench)
    for value in range(7):
        bench.report(value)
    assert bench.clock.quality() == pack.SYNCED
    places = [(boot, sequence) for boot, sequence, _, _ in bench.gateway.taken]
    assert places == [(1, 0), (1, 1), (1, 2)]  # the first of one report, for the time was not known
    assert [made.time_quality for _, _, _, made in bench.gateway.taken] == [pack.UNSYNCED, pack.SYNCED, pack.SYNCED]
    assert bench.uplink.counts["packs taken"] == 3
    assert bench.journal.read(bench.journal.first) is None


def test_what_was_not_heard_comes_again_from_the_journal():
    bench = Bench("again", (3, 5, 6))
    connect(bench)
    for value in range(10):
        bench.report(value)
    numbers = [reading.mantissa for _, _, _, made in bench.gateway.taken for reading in made.readings]
    assert numbers == [value for value in range(10) for _ in (0, 1)]
    assert bench.uplink.counts["reports sent again"] >= 1


def test_without_airtime_nothing_is_lost_but_time():
    bench = Bench("airtime")
    connect(bench)
    for value in range(4):
        bench.report(value)
    taken = len(bench.gateway.taken)
    bench.transmitter.budget.spend(35900000)  # somebody used the hour
    for value in range(4, 10):
        bench.report(value)
    assert len(bench.gateway.taken) == taken and bench.transmitter.counts["airtime used up"] > 0
    bench.time.advance(2 * HOUR_MS)
    for value in range(10, 22):
        bench.report(value)
    numbers = [reading.mantissa for _, _, _, made in bench.gateway.taken for reading in made.readings]
    assert sorted(set(numbers)) == numbers[::2] == list(range(len(numbers) // 2)) and len(numbers) >= 36


def test_before_a_restart_its_reports_become_a_pack_in_flash():
    bench = Bench("close")
    connect(bench)
    heard = []
    bench.uplink.on_served = lambda: heard.append(bench.time.at_ms)
    for value in range(2):
        bench.report(value)
    assert heard and not bench.uplink.is_closed()
    held = bench.journal.head.sequence
    bench.uplink.close()
    assert bench.uplink.is_closed() and bench.journal.head.sequence == held + 1
    sent = bench.gateway.seen
    bench.uplink.close()
    assert bench.journal.head.sequence == held + 1 and bench.gateway.seen == sent
    assert bench.uplink.silence_ms() == 3 * OWN.report_ms * OWN.sign_every
    for value in range(2, 6):  # where flash refuses, no restart comes, and it goes on
        bench.report(value)
    numbers = [reading.mantissa for _, _, _, made in bench.gateway.taken for reading in made.readings]
    assert set(numbers) >= {0, 1, 2, 3}


def test_a_journal_that_cannot_be_opened_is_tried_again_with_every_pack():
    bench = Bench("refuses")
    connect(bench)
    journal = bench.journal
    recover, journal._recover = journal._recover, _refuse
    journal.closed = "a start at which flash refused"
    for value in range(3):
        bench.report(value)
    assert bench.uplink.counts["storage errors"] >= 1 and not bench.uplink.is_closed()
    bench.uplink.close()
    assert not bench.uplink.is_closed() and not bench.gateway.taken
    journal._recover = recover
    for value in range(3, 9):
        bench.report(value)
    assert not journal.closed and bench.gateway.taken


def _refuse():
    raise OSError(5)


def test_an_answer_to_another_frame_is_none():
    bench = Bench("answers")
    session = lora.LoraSession(KEY, PROFILE.digest)
    time_answer = wire.encode_answer(wire.AirAnswer(wire.TIME, pack.SYNCED, 1790000000000, 0, 0, 0, b""))

    def late(raw):
        header = lora.read_header(raw)
        back = lora.Header(lora.ANSWER, False, header.network, header.node, header.counter + 1)
        return session.seal(back, time_answer)

    bench.modem.reply = late
    bench.report(1)
    assert bench.clock.quality() == pack.UNSYNCED
    bench.modem.reply = lambda raw: late(raw)[:-1] + b"\x00"
    bench.report(2)
    assert bench.clock.quality() == pack.UNSYNCED and bench.uplink.counts["no answer"] >= 2


def test_a_clock_that_is_set_back_does_not_silence_the_node():
    bench = Bench("back")
    connect(bench)
    for value in range(5):
        bench.report(value)
    bench.gateway.back_ms = HOUR_MS
    for value in range(5, 20):
        bench.report(value)
    numbers = [reading.mantissa for _, _, _, made in bench.gateway.taken for reading in made.readings]
    assert bench.clock.jumps == 1 and len(numbers) >= 30
    assert numbers == sorted(numbers) and len(set(range(20)) - set(numbers)) <= 3
