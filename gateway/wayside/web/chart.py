"""The last day of one channel in a bounded number of points, whatever the rate. Imports nothing of the gateway."""

_POINTS = 240
_DAY_MS = 86_400_000
_WIDEST_MS = _DAY_MS // _POINTS


class Chart:
    """Points are (ms, text of the decimal or None). It begins with one point a second; when it is full, every other
    point goes and the distance doubles, until the points span a day; from then on the oldest goes."""

    def __init__(self) -> None:
        self.points: list[tuple[int, str | None]] = []
        self._step_ms = 1000

    def add(self, time_ms: int, value: str | None) -> None:
        """Take the value of now, unless the last point is too near. A clock that went back begins the chart again."""
        if self.points and time_ms < self.points[-1][0]:
            self.points.clear()
        if self.points and time_ms - self.points[-1][0] < self._step_ms:
            return
        if len(self.points) >= _POINTS:
            self._make_room()
        self.points.append((time_ms, value))

    def _make_room(self) -> None:
        if self._step_ms < _WIDEST_MS:
            self.points = self.points[1::2]
            self._step_ms = min(2 * self._step_ms, _WIDEST_MS)
        else:
            del self.points[0]
