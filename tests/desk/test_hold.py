"""When a device is written to, looked at, and left alone: one row a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayside.control.desk.hold import Act, Hold

WRITE, LOOK = Act.WRITE, Act.LOOK


def table(hold: Hold, *rows: tuple[float, Act | None, object]) -> None:
    """Time in s; what is due; what comes of it: a number that is read, a text of what failed, None: not readable."""
    for at, due, came in rows:
        assert hold.due(at) is due, at
        if due is None:
            continue
        if isinstance(came, str):
            hold.failed(came, at)
        elif due is WRITE:
            hold.took(came, at)  # type: ignore[arg-type]
        else:
            hold.looked(came, at)  # type: ignore[arg-type]


def held(value: int | None = 5, look_s: float = 60, renew_s: float | None = None) -> Hold:
    hold = Hold(look_s, renew_s)
    hold.want(value, 0)
    return hold


def test_it_is_written_once_and_looked_at() -> None:
    table(held(), (0, WRITE, 5), (0, None, None), (59, None, None), (60, LOOK, 5), (61, None, None), (120, LOOK, 5))


def test_what_cannot_be_read_is_written_once() -> None:
    table(held(), (0, WRITE, None), (1, None, None), (10_000, None, None))


def test_what_is_left_to_the_device_is_left_alone() -> None:
    table(held(None), (0, None, None), (10_000, None, None))


def test_a_failed_write_is_tried_again_and_ever_more_seldom() -> None:
    failing = held()
    table(failing, (0, WRITE, "no"), (0.9, None, None), (1, WRITE, "no"), (2.9, None, None), (3, WRITE, "no"))
    assert failing.problem == "no" and failing.shown is None
    at = 7.0
    for _ in range(9):
        assert failing.due(at) is WRITE
        failing.failed("no", at)
        at += 60
    table(failing, (at, WRITE, 5), (at, None, None))
    assert failing.problem == "" and failing.shown == 5


def test_what_a_device_did_not_keep_is_written_again_ever_more_seldom() -> None:
    lost = held()
    table(lost, (0, WRITE, 5), (60, LOOK, 0), (60, WRITE, 5), (120, LOOK, 0), (120, WRITE, 5), (180, LOOK, 0))
    assert lost.reverted == 3 and "did not keep" in lost.problem
    table(
        lost, (180, None, None), (240, WRITE, 5), (300, LOOK, 0), (300, None, None), (479, None, None), (480, WRITE, 5)
    )


def test_a_device_that_restarts_once_a_week_is_set_right_at_once_each_time() -> None:
    hold = held(look_s=60)
    table(hold, (0, WRITE, 5))
    at = 60.0
    for _ in range(10):
        table(hold, (at, LOOK, 0), (at, WRITE, 5))
        at += 7 * 86_400


def test_a_timer_of_the_device_is_renewed_although_it_has_the_value() -> None:
    table(held(look_s=60, renew_s=20), (0, WRITE, 5), (19, None, None), (20, WRITE, 5), (40, WRITE, 5))
    table(held(look_s=15, renew_s=20), (0, WRITE, 5), (15, LOOK, 5), (19, None, None), (20, WRITE, 5), (35, LOOK, 5))


def test_another_value_is_written_at_once_whatever_was_before() -> None:
    hold = held()
    table(hold, (0, WRITE, "no"), (1, WRITE, "no"))
    hold.want(6, 1.5)
    table(hold, (1.5, WRITE, 6))
    hold.want(6, 2)
    table(hold, (2, None, None))
    hold.want(None, 3)
    table(hold, (3, None, None), (1e6, None, None))


@given(
    st.lists(st.sampled_from(["took", "blind", "failed", "reverted", "wait"]), max_size=60),
    st.sampled_from([None, 20.0]),
)
def test_it_never_sleeps_while_the_device_has_something_else_and_never_writes_without_end(
    came: list[str], renew_s: float | None
) -> None:
    hold, now, writes = held(renew_s=renew_s), 0.0, 0
    for what in came:
        due = hold.due(now)
        if due is None:
            assert hold.due_s is None or hold.due_s > now
            assert hold.due_s is not None or hold.shown is None
            now = now + 1 if hold.due_s is None or what == "wait" else hold.due_s
        elif due is WRITE:
            writes += 1
            if what == "failed":
                hold.failed("no", now)
            else:
                hold.took(None if what == "blind" else 5, now)
        elif what == "failed":
            hold.failed("no", now)
        else:
            hold.looked(0 if what == "reverted" else 5, now)
        assert hold.due(now) is not WRITE or what in ("reverted", "wait") or due is None
    assert writes <= 2 + now / 1.0


def test_a_problem_of_before_is_none_of_another_value() -> None:
    hold = held()
    hold.failed("no", 0)
    hold.want(7, 1)
    assert (hold.problem, hold.reverted) == ("", 0)


@pytest.mark.parametrize("value", [0, -3])
def test_zero_and_negative_values_are_values(value: int) -> None:
    table(held(value), (0, WRITE, value), (60, LOOK, value), (60, None, None))
