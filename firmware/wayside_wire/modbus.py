"""Modbus messages: requests, answers and what ties the one to the other.

A *body* is the unit address and the PDU, which both framings have in common: an RTU frame is a body and its CRC, a TCP
frame is an MBAP header and a body. Sources: MODBUS Application Protocol Specification V1.1b3, MODBUS over Serial Line
V1.02, MODBUS Messaging on TCP/IP V1.0b.
"""

from array import array

READ_COILS = 1
READ_DISCRETE = 2
READ_HOLDING = 3
READ_INPUT = 4
WRITE_COIL = 5
WRITE_REGISTER = 6
WRITE_COILS = 15
WRITE_REGISTERS = 16

MAX_READ = 125  # registers; section 6.3 of the application protocol
MAX_WRITE = 123  # registers; section 6.12
MAX_BODY = 254  # unit and PDU; 256 bytes with the CRC

# Kinds of failure. All but EXCEPTION mean that what came cannot be tied to what was asked.
TIMEOUT = "timeout"
CRC = "crc"
CUT = "cut"
EXTRA = "extra bytes"
UNIT = "foreign unit"
FUNCTION = "foreign function"
COUNT = "wrong count"
HEADER = "wrong header"
TRANSACTION = "foreign transaction"
DOUBTFUL = "doubtful"  # it may answer an earlier request
EXCEPTION = "exception"
CANCELLED = "cancelled"
LINK = "no link"
NEVER_SILENT = "line never silent"  # something sends on and on: no request can go out

# Exception codes, section 7 of the application protocol.
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
DEVICE_FAILURE = 4
ACKNOWLEDGE = 5
BUSY = 6
GATEWAY_PATH = 10
GATEWAY_TARGET = 11

REFUSALS = (ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE)  # there is no such register, or it may not be asked so
IN_ITS_STEAD = (GATEWAY_PATH, GATEWAY_TARGET)  # a gateway says it in the stead of a device that has not answered

_EXCEPTIONS = {
    ILLEGAL_FUNCTION: "illegal function",
    ILLEGAL_ADDRESS: "illegal data address",
    ILLEGAL_VALUE: "illegal data value",
    DEVICE_FAILURE: "device failure",
    ACKNOWLEDGE: "accepted, not done yet",
    BUSY: "device busy",
    GATEWAY_PATH: "gateway path unavailable",
    GATEWAY_TARGET: "gateway target did not respond",
}


class ModbusError(Exception):
    """A request without a usable answer. kind: one of the names above; code: the exception code, else 0."""

    def __init__(self, kind: str, text: str, code: int = 0):
        super().__init__(text)
        self.kind = kind
        self.text = text
        self.code = code


def _crc_table():
    table = array("H")
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return table


_TABLE = _crc_table()


def crc16(data) -> int:
    """CRC-16 of MODBUS over Serial Line, appendix B: reflected 0x8005, start 0xFFFF; sent low byte first."""
    table = _TABLE
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def read_request(unit: int, function: int, address: int, count: int) -> bytes:
    """Body that reads `count` registers (functions 3, 4) or bits (1, 2) from protocol address `address`."""
    return bytes((unit, function, address >> 8, address & 0xFF, count >> 8, count & 0xFF))


def write_request(unit: int, address: int, registers: bytes) -> bytes:
    """Body that writes `registers`, two bytes each: function 16."""
    size = len(registers)
    if size & 1 or not 0 < size <= 2 * MAX_WRITE:
        raise ValueError("write of %d bytes: give 2 to %d, an even number" % (size, 2 * MAX_WRITE))
    count = size // 2
    head = (unit, WRITE_REGISTERS, address >> 8, address & 0xFF, count >> 8, count & 0xFF, size)
    return bytes(head) + registers


def write_one_request(unit: int, address: int, register: bytes) -> bytes:
    """Body that writes one register of two bytes with function 6, for devices that know no function 16."""
    return bytes((unit, WRITE_REGISTER, address >> 8, address & 0xFF)) + register


def answer_size(request: bytes) -> int:
    """Length of the body that answers `request` when it is not an exception."""
    function = request[1]
    if function in (READ_HOLDING, READ_INPUT):
        return 3 + 2 * _count(request)
    if function in (READ_COILS, READ_DISCRETE):
        return 3 + (_count(request) + 7) // 8
    if function in (WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS):
        return 6
    raise ValueError("function %d is not supported: use 1 to 6, 15 or 16" % function)


def _count(request: bytes) -> int:
    return request[4] << 8 | request[5]


def check_answer(request: bytes, answer: bytes) -> bytes:
    """The data of `answer` (empty for a write), if it can only be the answer to `request`; ModbusError otherwise.

    Unit, function, count and length must all be the request's. A body carries no reference to its request: what passes
    here can still be an earlier answer of the same shape, which is why a Guard keeps the line quiet after anything odd.
    """
    if len(answer) < 3:
        raise ModbusError(CUT, "answer of %d bytes" % len(answer))
    if answer[0] != request[0]:
        raise ModbusError(UNIT, "unit %d answered, %d was asked" % (answer[0], request[0]))
    function = request[1]
    if answer[1] == function | 0x80:
        if len(answer) != 3:
            raise ModbusError(EXTRA, "exception of %d bytes" % len(answer))
        code = answer[2]
        raise ModbusError(EXCEPTION, "exception %d: %s" % (code, _EXCEPTIONS.get(code, "unknown")), code)
    if answer[1] != function:
        raise ModbusError(FUNCTION, "function %d answered, %d was asked" % (answer[1], function))
    size = answer_size(request)
    if function <= READ_INPUT:
        if answer[2] != size - 3:
            raise ModbusError(COUNT, "%d bytes of data, %d were asked" % (answer[2], size - 3))
        if len(answer) != size:
            raise ModbusError(CUT if len(answer) < size else EXTRA, "answer of %d bytes" % len(answer))
        return answer[3:]
    if len(answer) != size:
        raise ModbusError(CUT if len(answer) < size else EXTRA, "answer of %d bytes" % len(answer))
    if answer[2:6] != request[2:6]:
        raise ModbusError(COUNT, "another write was answered")
    return b""


def rtu_frame(body: bytes) -> bytes:
    """`body` with its CRC, as it goes on the line."""
    crc = crc16(body)
    return body + bytes((crc & 0xFF, crc >> 8))


def rtu_body(frame: bytes) -> bytes:
    """The body of an RTU frame; ModbusError when its CRC is wrong."""
    # The CRC over a frame and its CRC is zero.
    if len(frame) < 4 or crc16(frame):
        raise ModbusError(CRC, "wrong CRC")
    return bytes(frame[:-2])


def tcp_frame(transaction: int, body: bytes) -> bytes:
    """`body` behind its MBAP header; transaction: 0 to 65535."""
    size = len(body)
    return bytes((transaction >> 8, transaction & 0xFF, 0, 0, size >> 8, size & 0xFF)) + body
