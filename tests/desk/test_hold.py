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
            (hold.not_written if due is WRITE else hold.not_seen)(came, at)
        elif due is WRITE and came in (None, hold.wanted):
            hold.took(came, at)  # type: ignore[arg-type]
        else:
            (hold.not_kept if due is WRITE else hold.seen)(came, at)  # type: ignore[arg-type]


def held(value: int | None = 5, look_s: float = 60, renew_s: float | None = None) -> Hold:
    hold = Hold(look_s, renew_s)
    hold.want(value, 0, is_guarded=renew_s is not None)
    return hold


def test_it_is_written_once_and_looked_at() -> None:
    table(held(), (0, WRITE, 5), (0, None, None), (59, None, None), (60, LOOK, 5), (61, None, None), (120, LOOK, 5))


def test_what_cannot_be_read_is_written_once() -> None:
    blind = held()
    table(blind, (0, WRITE, None), (1, None, None), (60, LOOK, "no"), (61, None, None), (120, LOOK, "no"))
    assert blind.is_blind and blind.problem == ""
    table(blind, (180, LOOK, 5), (240, LOOK, "no"))
    assert not blind.is_blind and blind.problem == "no", "it could be read"


def test_one_answer_that_cannot_be_read_keeps_nobody_from_seeing_what_others_write() -> None:
    table(held(), (0, WRITE, None), (60, LOOK, 9), (60, WRITE, 5))


def test_what_is_left_to_the_device_is_left_alone() -> None:
    table(held(None), (0, None, None), (10_000, None, None))


def test_a_failed_write_is_tried_again_and_ever_more_seldom() -> None:
    failing = held()
    table(failing, (0, WRITE, "no"), (0.9, None, None), (1, WRITE, "no"), (2.9, None, None), (3, WRITE, "no"))
    assert failing.problem == "no" and failing.shown is None
    at = 7.0
    for _ in range(9):
        assert failing.due(at) is WRITE
        failing.not_written("no", at)
        at += 60
    table(failing, (at, WRITE, 5), (at, None, None))
    assert failing.problem == "" and failing.shown == 5


def test_what_a_device_did_not_keep_is_written_again_ever_more_seldom() -> None:
    lost = held()
    table(lost, (0, WRITE, 5), (60, LOOK, 0), (60, WRITE, 5), (120, LOOK, 0), (120, WRITE, 5), (180, LOOK, 0))
    assert lost.reverted == 3 and "did not keep" in lost.problem
    table(lost, (180, None, None), (240, WRITE, 5), (300, LOOK, 0), (300, None, None), (360, LOOK, 7), (420, LOOK, 8))
    assert lost.reverted == 4 and lost.shown == 8, "while it waits it is looked at all the same"
    table(lost, (479, None, None), (480, WRITE, 5))


def test_a_device_that_restarts_once_a_week_is_set_right_at_once_each_time() -> None:
    hold = held(look_s=60)
    table(hold, (0, WRITE, 5))
    at = 60.0
    for _ in range(10):
        table(hold, (at, LOOK, 0), (at, WRITE, 5))
        at += 7 * 86_400


def test_a_timer_of_the_device_is_renewed_although_it_has_the_value() -> None:
    table(
        held(renew_s=20), (0, WRITE, 5), (19, None, None), (20, LOOK, 5), (20, WRITE, 5), (40, LOOK, 5), (40, WRITE, 5)
    )
    table(held(look_s=15, renew_s=20), (0, WRITE, 5), (15, LOOK, 5), (20, WRITE, 5), (35, LOOK, 5), (40, WRITE, 5))


def test_who_else_writes_is_seen_before_a_renewal_and_not_overruled_for_ever() -> None:
    disputed = held(renew_s=20)
    table(disputed, (0, WRITE, 5), (20, LOOK, 0), (20, WRITE, 5), (40, LOOK, 0), (40, None, None), (79, None, None))
    assert disputed.reverted == 2 and disputed.problem
    table(disputed, (80, WRITE, 5))


def test_who_has_his_value_again_before_it_is_written_is_left_alone() -> None:
    hold = held(look_s=10)
    table(
        hold, (0, WRITE, 5), (10, LOOK, 0), (10, WRITE, 5), (20, LOOK, 0), (30, LOOK, 5), (40, LOOK, 5), (70, LOOK, 5)
    )
    assert hold.problem == ""


def test_a_renewal_is_written_to_a_device_that_cannot_be_read_for_now() -> None:
    table(held(renew_s=20), (0, WRITE, 5), (20, LOOK, "no"), (20, WRITE, 5), (40, LOOK, 5), (40, WRITE, 5))
    table(held(renew_s=20), (0, WRITE, None), (20, LOOK, "no"), (20, WRITE, None), (40, LOOK, "no"), (40, WRITE, None))


def test_a_fail_safe_value_needs_no_timer() -> None:
    hold = held(5, renew_s=20)
    table(hold, (0, WRITE, 5))
    hold.want(5, 10)
    table(hold, (10, WRITE, 5), (30, None, None), (70, LOOK, 5))


def test_two_writes_are_a_second_apart_whatever_is_asked() -> None:
    hold = held(5)
    table(hold, (0, WRITE, 5))
    for number in range(20):
        hold.want(number, 0.04 * number)
    table(hold, (0.9, None, None), (1, WRITE, 19))


def test_a_device_that_keeps_another_value_from_the_beginning_is_written_to_ever_more_seldom() -> None:
    clamping, at, writes = held(400), 0.0, 0
    while at < 86_400:
        due = clamping.due(at)
        writes += due is WRITE
        (clamping.not_kept if due is WRITE else clamping.seen)(300, at)
        assert clamping.due_s is not None
        at = max(at + 0.5, clamping.due_s)
    assert writes < 40 and clamping.shown == 300 and clamping.problem


def test_another_value_is_written_soon_whatever_was_before() -> None:
    hold = held()
    table(hold, (0, WRITE, "no"), (1, WRITE, "no"))
    hold.want(6, 2.5)
    table(hold, (2.5, None, None), (6, WRITE, 6))
    hold.want(6, 7)
    table(hold, (7, None, None))
    hold.want(None, 8)
    table(hold, (8, None, None), (1e6, None, None))


@given(
    st.lists(st.sampled_from(["took", "blind", "failed", "other", "wait", "want", "leave"]), max_size=60),
    st.sampled_from([None, 20.0]),
)
def test_it_never_sleeps_while_the_device_has_something_else_and_never_writes_without_end(
    came: list[str], renew_s: float | None
) -> None:
    hold, now, writes = held(renew_s=renew_s), 0.0, 0
    for what in came:
        due = hold.due(now)
        if what in ("want", "leave"):
            hold.want(5 + len(came) if what == "want" else None, now, is_guarded=renew_s is not None)
        elif due is None:
            assert hold.due_s is None or hold.due_s > now
            assert hold.due_s is not None or hold.wanted is None
            now = now + 1 if hold.due_s is None or what == "wait" else hold.due_s
        elif what == "failed":
            (hold.not_written if due is WRITE else hold.not_seen)("no", now)
            writes += due is WRITE
        elif what == "other":
            (hold.not_kept if due is WRITE else hold.seen)(0, now)
            writes += due is WRITE
        elif due is WRITE:
            writes += 1
            hold.took(None if what == "blind" else hold.wanted, now)
        else:
            assert hold.wanted is not None
            hold.seen(hold.wanted, now)
    assert writes <= 2 + now


def test_a_problem_of_before_is_none_of_another_value() -> None:
    hold = held()
    hold.not_written("no", 0)
    hold.want(7, 1)
    assert (hold.problem, hold.reverted) == ("", 0)


@pytest.mark.parametrize("value", [0, -3])
def test_zero_and_negative_values_are_values(value: int) -> None:
    table(held(value), (0, WRITE, value), (60, LOOK, value), (60, None, None))
