"""The air between modelled LoRa radios: who hears whom and how well, and what becomes of packets that meet.

For CPython and the VM. All times are nanoseconds of one clock that the radios share, airtimes by the datasheets'
formula (wayside_wire.airtime), the demodulator's floor by the SX1276's datasheet, table 13. Of two packets with equal
settings that meet the weaker one is lost, and the stronger one survives when it is 6 dB above and the last five symbols
of its preamble were heard (Bor and others, "Do LoRa low-power wide-area networks scale?", MSWiM 2016). Packets of other
spreading factors do not disturb.
"""

from collections import namedtuple

from wayside_wire.airtime import airtime_us

_PREAMBLE_HEARD = 5  # symbols
_HEADER_SYMBOLS = 8
_CAPTURE_DB = 6
_FLOOR_QUARTER_DB = {7: -30, 8: -40, 9: -50, 10: -60, 11: -70, 12: -80}
_NOISE_DBM = {125000: -117, 250000: -114, 500000: -111}  # thermal, with a noise figure of 6 dB
_KEPT_NS = 20_000_000_000
_MHZ_NS = 1000

Modulation = namedtuple("Modulation", ("hz", "sf", "bw_hz", "coding_rate", "preamble", "sync", "inverted", "explicit"))
"""What two radios must have in common. hz: the carrier; coding_rate: 5 to 8; sync: the sync word."""

Flight = namedtuple("Flight", ("sender", "packet", "settings", "crc", "dbm", "start", "synced", "header", "end"))
"""A packet on the air. synced, header, end: when its preamble, its header and itself are over."""


def symbol_ns(settings) -> int:
    return (1_000_000_000 << settings.sf) // settings.bw_hz


class Air:
    """loss_db(sender, receiver): path loss; spoil(packet): (packet, whether its CRC is right), None: nobody hears it.

    counts: what became of the packets, once for each radio in reach.
    """

    def __init__(self, loss_db=None, spoil=None):
        self.flights = []
        self.counts = {"sent": 0, "heard": 0, "damaged": 0, "met": 0, "lost": 0}
        self.loss_db = loss_db or (lambda sender, receiver: 100)
        self.spoil = spoil or (lambda packet: (packet, True))

    def send(self, sender, packet: bytes, settings, crc: bool, dbm: int, now: int):
        """The Flight that begins now."""
        airtime_ns = _MHZ_NS * airtime_us(
            len(packet), settings.sf, settings.bw_hz, settings.coding_rate, settings.preamble, settings.explicit, crc
        )
        symbol = symbol_ns(settings)
        synced = now + (4 * settings.preamble + 17) * symbol // 4
        flight = Flight(
            sender, packet, settings, crc, dbm, now, synced, synced + _HEADER_SYMBOLS * symbol, now + airtime_ns
        )
        self.flights = [each for each in self.flights if each.end > now - _KEPT_NS]
        self.flights.append(flight)
        self.counts["sent"] += 1
        return flight

    def rssi_dbm(self, flight, receiver) -> int:
        return flight.dbm - self.loss_db(flight.sender, receiver)

    def snr_quarter_db(self, flight, receiver) -> int:
        return 4 * (self.rssi_dbm(flight, receiver) - _NOISE_DBM[flight.settings.bw_hz])

    def power_dbm(self, receiver, settings, now: int) -> int:
        """What a receiver measures on its channel now."""
        on_air = [each for each in self.flights if each.start <= now < each.end and _same_channel(each, settings)]
        levels = [self.rssi_dbm(each, receiver) for each in on_air if each.sender is not receiver]
        levels.append(_NOISE_DBM[settings.bw_hz])
        return max(levels)

    def first(self, receiver, settings, since: int):
        """The first packet that a receiver, which looks for one since then, finds by its preamble; None: not yet."""
        found = None
        for each in self.flights:
            if each.sender is receiver or not self._is_audible(each, receiver, settings):
                continue
            heard_from = max(since, each.start)
            if heard_from + _PREAMBLE_HEARD * symbol_ns(settings) > each.synced:
                continue
            if found is None or each.start < found.start:
                found = each
        return found

    def is_disturbed(self, flight, receiver, since: int, until: int) -> bool:
        """Whether another packet spoils it in this time."""
        for each in self.flights:
            if each is flight or each.sender is receiver or each.start >= until or each.end <= since:
                continue
            same = _same_channel(each, flight.settings) and each.settings.sf == flight.settings.sf
            if same and self.rssi_dbm(flight, receiver) - self.rssi_dbm(each, receiver) < _CAPTURE_DB:
                return True
        return False

    def _is_audible(self, flight, receiver, settings) -> bool:
        same = _same_channel(flight, settings) and _modulation(flight.settings) == _modulation(settings)
        return same and self.snr_quarter_db(flight, receiver) >= _FLOOR_QUARTER_DB[settings.sf]


def _modulation(settings):
    """Coding rate and length are in the header, and any preamble that is long enough is found."""
    return settings.sf, settings.sync, settings.inverted, settings.explicit


def _same_channel(flight, settings) -> bool:
    return flight.settings.bw_hz == settings.bw_hz and abs(flight.settings.hz - settings.hz) < settings.bw_hz // 4


class AirRadio:
    """What every LoRa chip does on the air. A chip has _sent(), _found(flight), _heard(flight, packet, valid) and
    _timed_out(), which are called in the order in which it happens."""

    def __init__(self, air):
        self.air = air
        self._flight = None  # what it sends
        self._settings = None  # what it listens for
        self._since = 0
        self._give_up = None
        self._locked = None
        self._header_over = False

    def transmit(self, packet: bytes, settings, crc: bool, dbm: int, now: int) -> None:
        self.stand_by()
        self._flight = self.air.send(self, packet, settings, crc, dbm, now)

    def receive(self, settings, now: int, give_up=None) -> None:
        """Until stand_by(). give_up: when to stop, unless a preamble was found."""
        self.stand_by()
        self._settings, self._since, self._give_up = settings, now, give_up

    def stand_by(self) -> None:
        self._flight = self._settings = self._locked = self._give_up = None
        self._header_over = False

    def due(self):
        """When something happens here by itself, as far as it is known now; None: never."""
        if self._flight is not None:
            return self._flight.end
        if self._settings is None:
            return None
        if self._locked is None:
            found = self.air.first(self, self._settings, self._since)
            if found is None or (self._give_up is not None and self._found_at(found) > self._give_up):
                return self._give_up
            self._locked = found
        return self._locked.end if self._header_over else self._locked.header

    def look(self, now: int) -> None:
        """Let happen what is due."""
        while True:
            at = self.due()
            if at is None or at > now:
                return
            self._happen(at)

    def _found_at(self, flight) -> int:
        return max(self._since, flight.start) + _PREAMBLE_HEARD * symbol_ns(flight.settings)

    def _happen(self, at: int) -> None:
        if self._flight is not None:
            self.stand_by()
            self._sent()
        elif self._locked is None:
            self.stand_by()
            self._timed_out()
        elif not self._header_over:
            self._end_header(at)
        else:
            self._end_packet(at)

    def _end_header(self, at: int) -> None:
        flight = self._locked
        symbols = _PREAMBLE_HEARD * symbol_ns(flight.settings)
        if self.air.is_disturbed(flight, self, flight.synced - symbols, flight.header):
            self.air.counts["met"] += 1
            self._locked, self._since = None, at
            return
        self._header_over = True
        self._found(flight)

    def _end_packet(self, at: int) -> None:
        flight = self._locked
        self._locked, self._since, self._header_over = None, at, False
        met = self.air.is_disturbed(flight, self, flight.header, flight.end)
        made = self.air.spoil(flight.packet)
        if made is None:
            self.air.counts["lost"] += 1
            return
        packet, valid = made
        if met:
            self.air.counts["met"] += 1
            half = len(packet) // 2
            packet, valid = packet[:half] + bytes([each ^ 0x5A for each in packet[half:]]), False
        valid = valid or not flight.crc  # without a CRC nobody can tell
        self.air.counts["heard" if valid else "damaged"] += 1
        self._heard(flight, packet, valid)
