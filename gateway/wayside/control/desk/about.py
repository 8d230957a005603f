"""What an actuator says about itself."""

from collections.abc import Callable, Iterable
from typing import Any

from wayside.control.desk.controlled import Controlled
from wayside.control.desk.requests import Request
from wayside.parts.about import BAD, WARNING, About, Family, Problem, Sheet, duration
from wayside.values.carrier import RELEASED


class ControlledAbout(About):
    """monotonic(): seconds of a clock that never jumps."""

    def __init__(self, controlled: Controlled, monotonic: Callable[[], float]):
        super().__init__("actuators", controlled.name)
        self._controlled = controlled
        self._monotonic = monotonic

    def status(self) -> dict[str, Any]:
        """Values are the texts of exact decimals, or names of `names`; None where there is none."""
        hold, what, in_force = self._controlled.hold, self._controlled.what, self._in_force()
        return {
            "unit": what.unit,
            "names": list(what.names),
            "step": None if what.names else self._text(1),
            "least": None if what.names else self._text(what.least),
            "most": None if what.names else self._text(what.most),
            "fail_safe": self._text(self._controlled.fail_safe),
            "wanted": self._text(hold.wanted),
            "has": self._text(hold.shown),
            "decides_itself": hold.shown == RELEASED,
            "cause": self._cause(),
            "problem": hold.problem,
            "reverted": hold.reverted,
            "requests": [
                {
                    "who": each.who,
                    "value": self._text(each.value),
                    "priority": each.priority,
                    "left_s": round(self._left_s(each), 1),
                    "text": self._request(each),
                    "in_force": each == in_force,
                }
                for each in self._controlled.requests.standing()
            ],
        }

    def problems(self) -> Iterable[Problem]:
        hold = self._controlled.hold
        if hold.problem:
            # What it has is known and is not what it was given, or nobody knows.
            yield Problem(BAD if hold.shown is None else WARNING, f"{self._sentence()}: {hold.problem}")

    def lines(self) -> Iterable[str]:
        yield f"desk   {self._sentence()}; {self._state()}"
        for each in self._controlled.requests.standing():
            yield f"desk   {self.name}: {self._request(each)}"

    def sheets(self) -> Iterable[Sheet]:
        return ()  # the page has a card for each, made of the status

    def metrics(self) -> Iterable[Family]:
        hold, labels = self._controlled.hold, {"actuator": self.name}
        help_ = "What an actuator is to have, in its unit; where it is no number, 1 for the value that the label names."
        yield Family("wayside_actuator_wanted", "gauge", help_, [self._sample(hold.wanted)])
        yield Family("wayside_actuator_has", "gauge", "What it was read to have.", [self._sample(hold.shown)])
        help_ = "How often it lost the value that it is to have."
        yield Family("wayside_actuator_reverted", "gauge", help_, [(labels, hold.reverted)])

    def _sample(self, value: int | None) -> tuple[dict[str, str], float | None]:
        what, labels = self._controlled.what, {"actuator": self.name}
        text = self._text(value)
        if what.names:
            return labels | {"value": text or ""}, None if text is None else 1.0
        return labels, None if text is None else float(text)

    def _sentence(self) -> str:
        return f"{self.name} is to have {self._value(self._controlled.hold.wanted)} ({self._cause()})"

    def _state(self) -> str:
        hold = self._controlled.hold
        if hold.problem:
            return hold.problem
        if hold.wanted is None:
            return "left alone"
        if hold.is_blind:
            return "it cannot be read back"
        if not hold.is_held or hold.shown is None:
            return "not written yet"
        return "reads so" if hold.shown == hold.wanted else f"reads {self._value(hold.shown)}, its nearest"

    def _cause(self) -> str:
        request = self._in_force()
        return self._request(request) if request else self._controlled.cause()

    def _in_force(self) -> Request | None:
        decision = self._controlled.decision
        standing = self._controlled.requests.standing()
        return next((each for each in standing if decision and each.number == decision.number), None)

    def _request(self, request: Request) -> str:
        value, left = self._controlled.what.shown(request.value), duration(max(0.0, self._left_s(request)))
        return f"{request.who}: {value} for {left}, priority {request.priority}"

    def _value(self, value: int | None) -> str:
        return self._controlled.what.shown(RELEASED if value is None else value)

    def _text(self, value: int | None) -> str | None:
        return None if value is None or value == RELEASED else self._controlled.what.text(value)

    def _left_s(self, request: Request) -> float:
        return request.until_s - self._monotonic()
