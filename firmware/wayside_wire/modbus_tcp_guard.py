"""The guard of a Modbus/TCP connection (see modbus_guard): a transaction number ties answer to request."""

from .modbus import DOUBTFUL, EXTRA, HEADER, MAX_BODY, READ_INPUT, TRANSACTION, UNIT, ModbusError, tcp_frame
from .modbus_guard import Guard


class TcpGuard(Guard):
    """An answer with an old number is dropped and counted; the other checks stay, because serial gateways behind such a
    port mix up answers as any master does. Some give what the serial line says late the number of the newest request: a
    unit that has not answered is asked a fence, as on a serial line, or on a new connection. Some give it the unit of
    the newest request, too: where several units were asked, only a new connection helps.

    any_transaction: for a gateway that makes numbers of its own. Its answers are tied by nothing but their shape, as on
    a serial line. unit_0: for a gateway whose answers all come from unit 0. In both what one unit may still answer is
    in doubt for all, until one of them has answered a fence.
    """

    def __init__(
        self,
        first_transaction: int = 0,
        any_transaction: bool = False,
        unit_0: bool = False,
        gap: int = 0,
        repeat: int = 0,
    ):
        super().__init__(gap, repeat)
        self.strict = any_transaction
        self.unit_0 = unit_0
        self.broken = False  # the byte stream lost its frames: only a new connection helps
        self._transaction = first_transaction & 0xFFFF
        self._stream = bytearray()
        self._sent = 0  # requests on this connection, the last of which has the number above
        self._foreign = None  # a number that came instead of it and was never one of these
        self._late = set()  # units whose answer may still come
        self._units = set()  # that were asked

    def reset(self) -> None:
        self._request = None
        self.broken = False
        self._stream = bytearray()
        self._sent = 0
        if not self.strict:  # what answers the old connection comes to nobody
            self._quiet_until = None
            self._recent = []
            self._doubts = {}
            self._vain = {}
            self._late = set()

    def fence(self, request: bytes, now: int):
        self._units.add(request[0])  # it counts already for what it may be given
        if self._late and self._has_several() and request[1] <= READ_INPUT and self._is_doubtful(request, now):
            self.broken = True
            raise ModbusError(DOUBTFUL, "not asked on this connection: another unit's answer may still come")
        try:
            return super().fence(request, now)
        except ModbusError:
            # What answers the old connection comes to nobody. For who never answered it is not given up.
            self.broken = self.broken or (not self.strict and request[0] in self._known)
            raise

    def abandon(self, reason: str, now: int) -> None:
        if self._request is not None:
            self._late.add(self._request[0])
        super().abandon(reason, now)

    def _end(self, by_exception: bool, by_device: bool, now: int) -> None:
        if by_device and self._is_joined():
            self._late = set()
            self._doubts = {}
        elif by_device:
            self._late.discard(self._request[0])
        super()._end(by_exception, by_device, now)

    def _is_joined(self) -> bool:
        """Whether an answer of one unit can be taken for another's: the gateway asks them one after the other."""
        return self.strict or self.unit_0

    def _has_several(self) -> bool:
        """Whether an answer of one unit can be taken for another's, and a new connection helps."""
        return len(self._units) > 1 and not self._is_joined()

    def _is_strict(self, unit: int) -> bool:
        return self.strict or unit in self._late or (bool(self._late) and (self.unit_0 or self._has_several()))

    def _frame(self, request: bytes) -> bytes:
        self._units.add(request[0])
        self._transaction = (self._transaction + 1) & 0xFFFF
        self._sent += 1
        self._foreign = None
        return tcp_frame(self._transaction, request)

    def feed(self, data: bytes, now: int) -> None:
        self._hear(now)
        self._stream.extend(data)
        if self._request is None:
            try:
                self._examine(now)
            except ModbusError as error:
                self._count(error.kind)
            if self.strict:
                self._hush(now, self._quiet)

    def _examine(self, now: int):
        while len(self._stream) >= 8:
            head = self._stream
            size = head[4] << 8 | head[5]
            if head[2] or head[3] or not 3 <= size <= MAX_BODY:
                self.broken = True
                self._stream = bytearray()
                raise ModbusError(HEADER, "no Modbus/TCP header")
            if len(head) < 6 + size:
                return None
            transaction = head[0] << 8 | head[1]
            body = bytes(head[6 : 6 + size])
            self._stream = head[6 + size :]
            if self._request is not None and (self.strict or transaction == self._transaction):
                if self.strict and self._stream:
                    self._stream = bytearray()
                    raise ModbusError(EXTRA, "more than one answer")
                return self._of_unit(body)
            self._count("late")
            if (self._transaction - transaction) & 0xFFFF >= self._sent:
                self._foreign = transaction
        return None

    def _of_unit(self, body: bytes) -> bytes:
        asked = self._request[0]
        if body[0] or not asked:
            return body
        if self.unit_0:
            return bytes((asked,)) + body[1:]
        raise ModbusError(UNIT, "unit 0 answered, %d was asked: see answers_as_unit_0" % asked)

    def _missed(self) -> ModbusError:
        if self._foreign is not None:
            text = "transaction %d answered, %d was asked: see any_transaction"
            return ModbusError(TRANSACTION, text % (self._foreign, self._transaction))
        return super()._missed()

    def _doubts_of(self, unit: int, now: int):
        if not self._is_joined() and not self._has_several():
            return super()._doubts_of(unit, now)
        doubts = {}
        for one in list(self._doubts):
            # Of a unit for which the gateway has answered, with 10 or 11, it gives nothing to this connection any more
            # that a new one would not be given.
            if one == unit or one in self._late or self._is_joined():
                doubts.update(super()._doubts_of(one, now))
        return doubts
