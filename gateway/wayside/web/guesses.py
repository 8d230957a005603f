"""How often an address may try a password. Imports nothing of the gateway."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

FREE = 5  # wrong ones; each further one costs a pause
PAUSE_S = 60.0
_ADDRESSES = 256
_WAITING = 8  # to be checked, of all addresses
_WAITING_EACH = 2


class TooManyError(Exception):
    """This address must wait `pause_s` before it tries again."""

    def __init__(self, pause_s: float):
        super().__init__(pause_s)
        self.pause_s = pause_s


class Guesses:
    """Wrong passwords by address; the address longest without one is forgotten when there are too many."""

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, when the last was
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def trying(self, address: str) -> Iterator[None]:
        """One password is checked while the block runs; TooManyError when it may not be."""
        place = _place(address)
        count, last_s = self._wrong.get(place, (0, 0.0))
        pause_s = last_s + PAUSE_S - self._monotonic()
        if count >= FREE and pause_s > 0:
            raise TooManyError(pause_s)
        if self._waiting[place] >= _WAITING_EACH or self._waiting.total() >= _WAITING:
            raise TooManyError(1.0)
        self._waiting[place] += 1
        try:
            yield
        finally:
            self._waiting[place] -= 1
            self._waiting += Counter()  # drops the zeros

    def wrong(self, address: str) -> None:
        place = _place(address)
        count, _ = self._wrong.pop(place, (0, 0.0))
        self._wrong[place] = (count + 1, self._monotonic())
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)

    def right(self, address: str) -> None:
        self._wrong.pop(_place(address), None)


def _place(address: str) -> str:
    """Of IPv6 the /64, all of which one host may have."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(ip) if ip.version == 4 else str(ip_network((ip, 64), strict=False))
