"""Whether a channel is free, by what a modem receives on it.

micropython-lib's drivers for the SX127x and the SX126x have neither carrier sense nor channel activity detection, and
the latter would find LoRa only, of one spreading factor. So the chip is made to receive, and asked for the signal that
it measures now: SX1276 datasheet section 5.5.5 (RegRssiValue), SX1261/2 datasheet section 13.5.4 (GetRssiInst). Private
functions of the drivers are used for it, whose content the build pins.
"""

from micropython import const

_SETTLE_MS = const(2)  # until what is measured is the channel: a filter of 125 kHz has settled long before
_STEP_MS = const(1)
_RSSI_NOW = const(0x1B)
_SX1276_OFFSET_DB = const(-157)  # of the high frequency port, from 779 MHz on
_GET_RSSI_INST = const(0x15)


def carrier_sense(modem, clock):
    """is_free(listen_us, dbm) of a modem, None where there is no way to know."""
    if hasattr(modem, "is_free"):
        return modem.is_free
    if hasattr(modem, "_cmd"):
        measure = _sx126x_dbm
    elif hasattr(modem, "_reg_read"):
        measure = _sx127x_dbm
    else:
        return None

    async def is_free(listen_us: int, dbm: int) -> bool:
        """Whether the channel stays below dbm for so long."""
        begins = modem._rx is False
        if begins:
            modem.start_recv()
        try:
            await clock.sleep_ms(_SETTLE_MS)
            until = clock.now() + -(-listen_us // 1000) + 1  # a clock of milliseconds may be one short
            while clock.now() < until:
                if measure(modem) >= dbm:
                    return False
                await clock.sleep_ms(_STEP_MS)
            return measure(modem) < dbm
        finally:
            if begins:
                modem.standby()

    return is_free


def _sx127x_dbm(modem) -> int:
    return modem._reg_read(_RSSI_NOW) + _SX1276_OFFSET_DB


def _sx126x_dbm(modem) -> int:
    return -(modem._cmd("B", _GET_RSSI_INST, n_read=2)[1] // 2)
