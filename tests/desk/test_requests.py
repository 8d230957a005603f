"""Who gets what: the strongest request that stands, and the fail-safe value when none does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from wayside.control.desk.requests import LONGEST_S, Request, RequestError, Requests
from wayside.values.carrier import Controllable

BATTERY = Controllable("W", 0, -5000, 5000)


def table(*rows: tuple[float, str, object, object]) -> None:
    """One row a moment: time in s, who does something, what, and what the actuator is to have then."""
    requests = Requests(lambda: BATTERY, 0)
    for at, who, deed, wanted in rows:
        if isinstance(deed, tuple):
            value, seconds, priority = deed
            requests.ask(who, value, seconds, priority, at)
        elif deed == "withdraws":
            requests.withdraw(who)
        assert requests.decide(at).value == wanted, (at, who, deed)


def test_nobody_asks() -> None:
    table((0, "", None, 0))


def test_a_request_ends_with_its_time_and_not_before() -> None:
    table(
        (10, "anna", (3000, 60, 8), 3000),
        (69.9, "", None, 3000),
        (70, "", None, 0),
    )


def test_the_stronger_one_is_in_force_and_the_weaker_one_after_it() -> None:
    table(
        (0, "planner", (1000, 900, 12), 1000),
        (10, "anna", (-2000, 60, 8), -2000),
        (20, "grid", (0, 10, 4), 0),
        (30, "", None, -2000),
        (70, "", None, 1000),
        (80, "anna", (500, 60, 8), 500),
        (81, "anna", "withdraws", 1000),
        (900, "", None, 0),
    )


def test_of_equally_strong_ones_the_newest() -> None:
    table(
        (0, "anna", (1000, 900, 8), 1000),
        (1, "ben", (2000, 900, 8), 2000),
        (2, "anna", (1500, 900, 8), 1500),
    )


def test_who_asks_again_has_one_request_and_may_shorten_it() -> None:
    table(
        (0, "anna", (1000, 900, 8), 1000),
        (1, "anna", (1000, 10, 8), 1000),
        (11, "", None, 0),
    )


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (("", 1, 1.0, 8), "has a name"),
        (("a" * 81, 1, 1.0, 8), "has a name"),
        (("anna", 5001, 1.0, 8), "-5000 W to 5000 W"),
        (("anna", -5001, 1.0, 8), "-5000 W to 5000 W"),
        (("anna", 1, 0.0, 8), "more than 0 s"),
        (("anna", 1, -1.0, 8), "more than 0 s"),
        (("anna", 1, float("nan"), 8), "more than 0 s"),
        (("anna", 1, float("inf"), 8), "more than 0 s"),
        (("anna", 1, LONGEST_S + 1, 8), "at most"),
        (("anna", 1, 1.0, 0), "priority"),
        (("anna", 1, 1.0, 17), "priority"),
    ],
)
def test_what_is_not_taken_changes_nothing(asked: tuple[str, int, float, int], text: str) -> None:
    requests = Requests(lambda: BATTERY, 0)
    requests.ask("ben", 7, 10.0, 16, 0.0)
    with pytest.raises(RequestError, match=text):
        requests.ask(*asked, 1.0)
    assert [each.who for each in requests.standing()] == ["ben"]


def test_so_many_may_ask_and_those_whose_time_is_over_make_room() -> None:
    requests = Requests(lambda: BATTERY, 0)
    for number in range(16):
        requests.ask(f"who {number}", 1, 10.0, 8, 0.0)
    with pytest.raises(RequestError, match="withdraw"):
        requests.ask("one more", 1, 10.0, 8, 5.0)
    requests.ask("who 3", 2, 10.0, 8, 5.0)
    requests.ask("one more", 1, 10.0, 8, 10.0)
    assert len(requests.lapse(10.0)) == 15 and len(requests.standing()) == 2


class Any(RuleBasedStateMachine):
    """Whatever is asked, withdrawn and waited for: what a list of all requests says is what is decided."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = Requests(lambda: BATTERY, 0)
        self.now = 0.0
        self.last: dict[str, Request] = {}

    @rule(
        who=st.sampled_from("abc"),
        value=st.integers(-6000, 6000),
        seconds=st.floats(-1, 30),
        priority=st.integers(0, 17),
    )
    def asks(self, who: str, value: int, seconds: float, priority: int) -> None:
        try:
            self.last[who] = self.requests.ask(who, value, seconds, priority, self.now)
        except RequestError:
            assert abs(value) > 5000 or seconds <= 0 or priority in (0, 17)

    @rule(who=st.sampled_from("abc"))
    def withdraws(self, who: str) -> None:
        self.requests.withdraw(who)
        self.last.pop(who, None)

    @rule(seconds=st.floats(0, 20))
    def waits(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def lapses(self) -> None:
        for ended in self.requests.lapse(self.now):
            assert self.last.pop(ended.who) == ended and ended.until_s <= self.now

    @invariant()
    def the_strongest_that_stands(self) -> None:
        alive = [each for each in self.last.values() if each.until_s > self.now]
        decision = self.requests.decide(self.now)
        assert decision.request in alive if alive else decision.request is None
        assert decision.value == (decision.request.value if decision.request else 0)
        for each in alive:
            assert decision.request and decision.request.priority <= each.priority


TestAny = Any.TestCase


def test_what_is_left_to_the_device() -> None:
    assert Requests(lambda: BATTERY, None).decide(0) == (None, None)


@given(st.floats(0.001, 1e6), st.floats(0, 1e9))
def test_no_request_outlives_its_end(seconds: float, now: float) -> None:
    requests = Requests(lambda: BATTERY, 0)
    if seconds <= LONGEST_S and now + seconds > now:
        requests.ask("anna", 1, seconds, 8, now)
        assert requests.decide(now).value == 1
        assert requests.decide(now + seconds).value == 0
