"""The modelled air and the modelled SX1276, by hand: what its registers, flags and pins say of what flies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside_hil.lora.air import Air, AirRadio, Modulation
from wayside_hil.lora.sx1276 import Sx1276
from wayside_wire.airtime import airtime_us

MS = 1_000_000
SF7 = Modulation(868_100_000, 7, 125000, 5, 8, 0x12, False, True)
SECOND = 1_000_000_000


class Ear(AirRadio):
    """Notes what happens to it."""

    def __init__(self, air: Air):
        super().__init__(air)
        self.notes: list[object] = []

    def _sent(self) -> None:
        self.notes.append("sent")

    def _found(self, flight) -> None:
        self.notes.append("found")

    def _timed_out(self) -> None:
        self.notes.append("timed out")

    def _heard(self, flight, packet, valid) -> None:
        self.notes.append((packet, valid))


def heard(ear: Ear) -> list[tuple[bytes, bool]]:
    return [note for note in ear.notes if isinstance(note, tuple)]


def test_a_packet_takes_its_airtime_and_is_heard_at_its_end() -> None:
    air = Air()
    sender, ear = Ear(air), Ear(air)
    ear.receive(SF7, 0)
    sender.transmit(b"x" * 51, SF7, True, 14, 10 * MS)
    end = 10 * MS + 1000 * airtime_us(51, 7)
    ear.look(end - 1)
    sender.look(end - 1)
    assert (ear.notes, sender.notes) == (["found"], [])
    assert ear.due() == sender.due() == end
    ear.look(end)
    sender.look(end)
    assert (heard(ear), sender.notes) == ([(b"x" * 51, True)], ["sent"])


@pytest.mark.parametrize(
    "change",
    [{"hz": 868_300_000}, {"sf": 8}, {"bw_hz": 250000}, {"sync": 0x34}, {"inverted": True}, {"explicit": False}],
)
def test_another_modulation_is_not_heard(change: dict[str, object]) -> None:
    air = Air()
    sender, ear = Ear(air), Ear(air)
    ear.receive(SF7._replace(**change), 0)
    sender.transmit(b"x", SF7, True, 14, 0)
    ear.look(SECOND)
    assert ear.notes == []


def test_five_symbols_of_the_preamble_must_be_heard() -> None:
    symbol = 1_024_000
    for late, notes in ((7, 2), (8, 0)):  # 12.25 symbols are in it
        air = Air()
        sender, ear = Ear(air), Ear(air)
        sender.transmit(b"x", SF7, True, 14, 0)
        ear.receive(SF7, late * symbol)
        ear.look(SECOND)
        assert len(ear.notes) == notes


def test_below_the_floor_nothing_is_heard() -> None:
    # -117 dBm of noise and -7.5 dB at SF7, -20 dB at SF12: datasheet table 13.
    for sf, limit in ((7, 124 + 14), (12, 137 + 14)):
        for loss, count in ((limit, 1), (limit + 1, 0)):
            air = Air(loss_db=lambda sender, receiver, loss=loss: loss)
            sender, ear = Ear(air), Ear(air)
            settings = SF7._replace(sf=sf)
            ear.receive(settings, 0)
            sender.transmit(b"x", settings, True, 14, 0)
            ear.look(10 * SECOND)
            assert len(heard(ear)) == count


def test_a_listener_gives_up_unless_a_preamble_came() -> None:
    air = Air()
    sender, ear = Ear(air), Ear(air)
    ear.receive(SF7, 0, give_up=20 * MS)
    ear.look(SECOND)
    assert ear.notes == ["timed out"]
    ear.receive(SF7, SECOND, give_up=SECOND + 20 * MS)
    sender.transmit(b"x" * 50, SF7, True, 14, SECOND + 10 * MS)
    ear.look(2 * SECOND)
    assert heard(ear) == [(b"x" * 50, True)]


@given(
    gap_ms=st.integers(-150, 150),
    powers=st.tuples(st.integers(2, 17), st.integers(2, 17)),
    sizes=st.tuples(st.integers(1, 100), st.integers(1, 100)),
)
def test_what_meets_is_lost_or_is_the_stronger_one(gap_ms, powers, sizes) -> None:
    air = Air()
    ears = [Ear(air) for _ in range(3)]
    listener = ears.pop()
    listener.receive(SF7, 0)
    starts = (SECOND, SECOND + gap_ms * MS)
    packets = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for number in sorted((0, 1), key=lambda number: starts[number]):
        ears[number].transmit(packets[number], SF7, True, powers[number], starts[number])
    spans = [(start, start + 1000 * airtime_us(size, 7)) for start, size in zip(starts, sizes, strict=True)]
    listener.look(10 * SECOND)
    whole = [packet for packet, valid in heard(listener) if valid]
    assert set(whole) <= set(packets)
    if spans[0][1] <= spans[1][0] or spans[1][1] <= spans[0][0]:
        assert sorted(whole) == packets
    else:
        for packet in whole:
            mine = packets.index(packet)
            begins_later = spans[1 - mine][0] - spans[mine][0]
            early = spans[1 - mine][1] <= spans[mine][0] + 8 * 1_024_000  # only its first symbols met
            assert powers[mine] >= powers[1 - mine] + 6 or early, (begins_later, powers)
    assert all(packet not in packets for packet, valid in heard(listener) if not valid)


def test_nobody_hears_while_he_sends() -> None:
    air = Air()
    left, right = Ear(air), Ear(air)
    left.transmit(b"left", SF7, True, 14, 0)
    right.transmit(b"right", SF7, True, 14, 5 * MS)
    for ear in (left, right):
        ear.look(SECOND)
        assert ear.notes == ["sent"]


# --- the chip ---


class Clock:
    now = SECOND


class Spi:
    """Register accesses, a microsecond for each byte."""

    def __init__(self, chip: Sx1276, clock: Clock):
        self.chip, self.clock = chip, clock

    def write(self, address: int, *values: int) -> None:
        self.chip.select()
        for value in (address | 0x80, *values):
            self._exchange(value)

    def read(self, address: int, count: int = 1) -> bytes:
        self.chip.select()
        self._exchange(address)
        return bytes(self._exchange(0) for _ in range(count))

    def _exchange(self, value: int) -> int:
        self.clock.now += 1000
        return self.chip.exchange(value, self.clock.now)


def chips(count: int, **options) -> list[Spi]:
    air = Air(**options)
    clock = Clock()
    made = [Spi(Sx1276(air), clock) for _ in range(count)]
    for spi in made:
        assert spi.read(0x42) == b"\x12"
        spi.write(0x01, 0x80)  # LoRa is taken in sleep only
        spi.write(0x01, 0x81)
        spi.write(0x06, 0xD9, 0x06, 0x66)  # 868.1 MHz
        spi.write(0x1E, 0x74)  # SF7, CRC
    return made


def send(spi: Spi, packet: bytes) -> int:
    """Begin to send; returns when that is over."""
    spi.write(0x0E, 0)
    spi.write(0x0D, 0)
    spi.write(0x00, *packet)
    spi.write(0x22, len(packet))
    spi.write(0x40, 0x40)
    spi.write(0x01, 0x83)
    end = spi.chip.due()
    assert end is not None
    return end


def after(end: int, *spis: Spi) -> None:
    """Let it be then."""
    for spi in spis:
        spi.clock.now = end
        spi.chip.look(end)


def test_registers_after_a_reset_are_the_datasheets() -> None:
    (spi,) = chips(1)
    spi.chip.reset()
    # Datasheet table 41: those that both modems have.
    known = {0x01: 0x09, 0x06: 0x6C, 0x07: 0x80, 0x08: 0, 0x09: 0x4F, 0x42: 0x12, 0x4D: 0x84}
    assert {address: spi.read(address)[0] for address in known} == known


def test_a_packet_over_the_chips() -> None:
    sender, ear = chips(2)
    ear.write(0x01, 0x85)
    end = send(sender, b"hello")
    assert not sender.chip.dio0 and sender.read(0x01) == b"\x83"
    after(end, sender, ear)
    assert sender.chip.dio0 and ear.chip.dio0 and sender.read(0x12) == b"\x08" and ear.read(0x12) == b"\x50"
    assert sender.read(0x01) == b"\x81" and ear.read(0x01) == b"\x85"
    assert ear.read(0x13) == b"\x05"
    assert ear.read(0x00, 5) == b"hello"
    # 13 dBm at RFO after a reset, 100 dB of path, 117 dBm of noise.
    assert ear.read(0x1A)[0] - 157 == -87 and ear.read(0x19)[0] == 4 * 30
    ear.write(0x12, 0xFF)
    assert not ear.chip.dio0


def test_a_packet_that_is_not_read_stays_before_the_next() -> None:
    sender, ear = chips(2)
    ear.write(0x01, 0x85)
    ear.write(0x0D, 0)
    for packet in (b"one", b"two"):
        after(send(sender, packet), sender, ear)
    assert ear.read(0x10) == b"\x03"
    assert ear.read(0x00, 3) == b"one", "the trap behind radio.Bridge's care after a damaged packet"


def test_damage_is_flagged_where_there_is_a_crc_only() -> None:
    for config, flags in ((0x74, b"\x70"), (0x70, b"\x50")):
        sender, ear = chips(2, spoil=lambda packet: (b"bad" + packet[3:], False))
        sender.write(0x1E, config)
        ear.write(0x01, 0x85)
        after(send(sender, b"hello"), ear)
        assert ear.read(0x12) == flags and ear.read(0x00, 5) == b"badlo"


def test_single_receiving_ends_by_itself() -> None:
    (spi,) = chips(1)
    spi.write(0x1F, 100)
    spi.write(0x01, 0x86)
    due = spi.chip.due()
    assert due == pytest.approx(SECOND + 100 * 1_024_000, abs=100_000)
    after(due, spi)
    assert spi.chip.dio1 and spi.read(0x12) == b"\x80" and spi.read(0x01) == b"\x81"


def test_lora_is_chosen_asleep_only_and_sleep_forgets_the_fifo() -> None:
    (spi,) = chips(1)
    spi.write(0x00, 7)
    spi.write(0x01, 0x01)
    assert spi.read(0x01) == b"\x81"
    spi.write(0x01, 0x80)
    spi.write(0x01, 0x81)
    spi.write(0x0D, 0)
    assert spi.read(0x00) == b"\x00"


def test_the_channel_is_heard_before_talking() -> None:
    sender, ear = chips(2)
    ear.write(0x01, 0x85)
    assert ear.read(0x1B)[0] - 157 == -117
    send(sender, b"x" * 50)
    assert ear.read(0x1B)[0] - 157 == -87
    ear.write(0x01, 0x87)
    assert ear.read(0x12)[0] & 5 == 5
