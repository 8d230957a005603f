"""A modelled modem on a modelled ether: datagrams to a place that hands each packet to everybody else in reach.

Every board with a radio has a module of this name with open_modem(radio, chip). A datagram is the spreading factor (1
byte), the airtime in microseconds (3 bytes, high byte first) and the packet; one that comes back has RSSI (signed), SNR
in quarters of a dB (signed), whether its CRC was right, and the packet.
"""

import asyncio
import errno
import socket
import struct

from wayside_wire.airtime import airtime_us

_STEP_MS = 5


class Packet(bytearray):
    """As micropython-lib's lora.RxPacket."""

    rssi = snr = 0
    valid_crc = True


class Ether:
    """The face of micropython-lib's asynchronous modems. `speed`: how many times faster than the air it is."""

    def __init__(self, radio, address, speed: int):
        self._sf = radio.sf
        self._bw_hz = radio.bw_hz
        self._speed = speed
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(socket.getaddrinfo(*address)[0][-1])
        self._socket.setblocking(False)
        self._sending = False
        self._here_i_am()

    def configure(self, settings):
        self._sf = settings["sf"]
        self._here_i_am()

    def _here_i_am(self):
        self._socket.send(struct.pack(">I", self._sf << 24))

    async def send(self, packet):
        duration_us = airtime_us(len(packet), self._sf, self._bw_hz)
        self._sending = True
        self._socket.send(struct.pack(">I", self._sf << 24 | duration_us) + bytes(packet))
        await asyncio.sleep_ms(duration_us // 1000 // self._speed + 1)
        self._sending = False

    async def recv(self, timeout_ms=None, rx_length=0xFF, rx_packet=None):
        left = timeout_ms
        self._drain()  # what came while nobody listened is lost
        while left is None or left > 0:
            packet = self._take()
            if packet is not None:
                return packet
            await asyncio.sleep_ms(_STEP_MS)
            left = None if left is None else left - _STEP_MS
        return None

    def recv_continuous(self, rx_length=0xFF, rx_packet=None):
        return _Continuous(self)

    async def is_free(self, listen_us: int, dbm: int) -> bool:
        return True

    def _take(self):
        try:
            data = self._socket.recv(300)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.ECONNREFUSED):
                return None
            raise
        rssi, snr, valid = struct.unpack(">hhB", data[:5])
        packet = Packet(data[5:])
        packet.rssi, packet.snr, packet.valid_crc = rssi, snr, bool(valid)
        return None if self._sending else packet  # half duplex

    def _drain(self):
        while self._take() is not None:
            pass


class _Continuous:
    def __init__(self, modem):
        self._modem = modem

    def __aiter__(self):
        return self

    async def __anext__(self):
        while True:
            packet = self._modem._take()
            if packet is not None:
                return packet
            await asyncio.sleep_ms(_STEP_MS)


def open_modem(radio, chip: dict):
    """chip: {"host", "port", "speed"}."""
    return Ether(radio, (chip["host"], chip["port"]), chip.get("speed", 1))
