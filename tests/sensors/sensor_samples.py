"""What sensors send and hold, for tests on both interpreters."""

import struct


def sds_frame(pm25, pm10):
    body = struct.pack("<HH", pm25, pm10) + b"\xa1\x60"
    return b"\xaa\xc0" + body + bytes([sum(body) & 255, 0xAB])


def pms_frame(pm1, pm25, pm10):
    frame = struct.pack(">4sHHHHHHHHHHHHH", b"\x42\x4d\x00\x1c", 1, 2, 3, pm1, pm25, pm10, 7, 8, 9, 10, 11, 12, 0x9700)
    return frame + struct.pack(">H", sum(frame))


# Calibration and raw values of the BMP280 datasheet's worked example (section 3.12), humidity values of a real chip.
BME280_FIRST = struct.pack("<Hhh", 27504, 26435, -1000) + struct.pack(
    "<Hhhhhhhhh", 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000
)
BME280_FIRST += b"\x00" + bytes([75])
BME280_SECOND = struct.pack("<hB", 370, 0) + bytes([0x13, 0x2A, 0x03, 0x1E])


def bme280_data(pressure, temperature, humidity):
    return (
        bytes([pressure >> 12, pressure >> 4 & 255, pressure << 4 & 255])
        + bytes([temperature >> 12, temperature >> 4 & 255, temperature << 4 & 255])
        + struct.pack(">H", humidity)
    )
