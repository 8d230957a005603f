"""How long everything waits before it tries again."""

import asyncio
from contextlib import asynccontextmanager
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.runtime.backoff import Backoff
from wayside.south import mqtt_line
from wayside.south.mqtt_line import MqttLine


@given(st.integers(0, 2**32), st.floats(0.01, 10), st.floats(10, 1000), st.integers(1, 2000))
def test_a_wait_is_within_a_ceiling_that_doubles_up_to_the_longest(
    seed: int, first_s: float, most_s: float, failures: int
) -> None:
    jittered, plain = Backoff(first_s, most_s, Random(seed)), Backoff(first_s, most_s, None)
    for failed in range(failures):
        ceiling_s = plain.next_s()
        assert ceiling_s == min(first_s * 2.0 ** min(failed, 30), most_s)
        assert 0 <= jittered.next_s() <= ceiling_s


def test_a_fleet_does_not_come_back_in_step() -> None:
    waits = [Backoff(30, 60, Random(seed)).next_s() for seed in range(300)]
    for third in range(3):
        assert 60 < sum(10 * third <= wait_s < 10 * third + 10 for wait_s in waits) < 140


def test_a_wait_is_short_again_after_a_success_or_what_has_held_and_not_because_something_connected() -> None:
    now_s = 0.0
    backoff = Backoff(1, 8, None)

    def connected_for(seconds: float) -> float:
        nonlocal now_s
        with backoff.holding(lambda: now_s):
            now_s += seconds
        return backoff.next_s()

    assert [connected_for(held_s) for held_s in (0, 8, 0, 0, 0)] == [1, 2, 4, 8, 8]
    assert [connected_for(held_s) for held_s in (8.1, 0)] == [1, 2]
    with pytest.raises(OSError), backoff.holding(lambda: now_s):
        now_s += 9
        raise OSError("lost")
    assert backoff.next_s() == 1
    assert backoff.next_s() == 2
    backoff.reset()
    assert backoff.next_s() == 1
    assert [backoff.next_s(most_s=3) for _ in range(3)] == [2, 3, 3]


def test_two_who_put_each_other_off_a_broker_do_so_ever_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Field accounts: two clients of one name; the broker takes each, and then ends the other's connection."""
    monkeypatch.setattr(mqtt_line, "_BACKOFF_S", (0.001, 60.0))
    waits: list[float] = []
    real_sleep = asyncio.sleep

    class PutOff(Exception):
        pass

    class Session:
        async def subscribe(self, _filter: str) -> None: ...

        async def message(self) -> None:
            raise PutOff("another client has this name")

    @asynccontextmanager
    async def connect(_on_too_large):
        yield Session()

    async def scenario() -> None:
        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            await real_sleep(0)

        line = MqttLine("wayside/site/nodes/n", connect, PutOff)
        monkeypatch.setattr(asyncio, "sleep", sleep)
        task = asyncio.create_task(line.run())
        while len(waits) < 40:
            await real_sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert line.last_error == "another client has this name"

    asyncio.run(scenario())
    assert sum(waits[-10:]) > 60 and max(waits) <= 60, "it was connected each time, and that is no success"
