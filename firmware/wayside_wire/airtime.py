"""How long a LoRa packet is on the air, in whole microseconds, rounded up.

Semtech AN1200.13 section 4, SX1276 datasheet section 4.1.1.7, SX1261/2 datasheet section 6.1.4. They agree from SF7 on;
SF5 and SF6 are those of the SX126x, whose preamble and first block differ.
"""

_LOW_RATE_US = 16000  # a symbol longer than this needs the low data rate optimisation


def airtime_us(size: int, sf: int, bw_hz=125000, coding_rate=5, preamble=8, explicit=True, crc=True) -> int:
    """A packet of `size` bytes. sf: 5 to 12; coding_rate: 5 to 8 for 4/5 to 4/8; preamble: symbols as programmed."""
    if not (0 <= size <= 255 and 5 <= sf <= 12 and 5 <= coding_rate <= 8):
        raise ValueError("size, spreading factor or coding rate that no LoRa modem has")
    low_rate = (1000000 << sf) > _LOW_RATE_US * bw_hz
    bits = 8 * size - 4 * sf + (8 if sf > 6 else 0) + (16 if crc else 0) + (20 if explicit else 0)
    blocks = -(-max(bits, 0) // (4 * (sf - 2 if low_rate else sf)))
    # In quarters of a symbol: 4.25 symbols of the preamble are the chip's own, 6.25 at SF5 and SF6.
    quarters = 4 * (preamble + 8 + blocks * coding_rate) + (17 if sf > 6 else 25)
    return -(-quarters * (1000000 << sf) // (4 * bw_hz))
