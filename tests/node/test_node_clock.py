"""Time on a node: it never wraps, never orders, and knows what it is worth."""

from fakes import NOW, Time
from wayside_node import BUILT_MS
from wayside_wire.pack import HOLDOVER, SYNCED, UNSYNCED

YEAR = 365 * 86_400_000


def test_now_goes_on_over_the_wrap_of_the_ticks():
    time = Time(at_ms=1000, period=4096)
    clock = time.clock()
    for _ in range(50):
        time.advance(1500)
        clock.now()
    assert clock.now() == 75000


def test_before_the_gateway_speaks_time_counts_from_the_start():
    time = Time(at_ms=777)
    clock = time.clock()
    time.advance(5000)
    assert clock.quality() == UNSYNCED
    assert clock.stamp(clock.now()) == 5000
    assert clock.wants_time(60000)


def test_stamps_of_earlier_moments_are_utc_once_it_is_known():
    time = Time()
    clock = time.clock()
    time.advance(1000)
    measured = clock.now()
    time.advance(2000)
    clock.set_utc(NOW, SYNCED)
    assert clock.stamp(measured) == NOW - 2000
    assert clock.quality() == SYNCED
    assert not clock.wants_time(60000)


def test_an_old_time_is_holdover():
    time = Time()
    clock = time.clock(holdover_ms=10000)
    clock.set_utc(NOW, SYNCED)
    time.advance(9999)
    assert clock.quality() == SYNCED
    time.advance(1)
    assert clock.quality() == HOLDOVER
    assert clock.wants_time(10000)
    clock.set_utc(NOW + 10000, SYNCED)
    assert clock.quality() == SYNCED


def test_a_gateway_in_holdover_says_so():
    clock = Time().clock()
    clock.set_utc(NOW, HOLDOVER)
    assert clock.quality() == HOLDOVER


def test_a_worse_time_does_not_replace_a_better_one():
    time = Time()
    clock = time.clock(holdover_ms=10000)
    clock.set_utc(NOW, SYNCED)
    clock.set_utc(NOW + 500, HOLDOVER)
    clock.set_utc(NOW + 700, UNSYNCED)
    assert clock.stamp(clock.now()) == NOW
    time.advance(10000)
    clock.set_utc(NOW + 10500, HOLDOVER)
    assert clock.stamp(clock.now()) == NOW + 10500


def test_a_small_correction_is_taken_at_once():
    clock = Time().clock()
    clock.set_utc(NOW, SYNCED)
    clock.set_utc(NOW - 1500, SYNCED)
    assert clock.stamp(clock.now()) == NOW - 1500
    assert clock.jumps == 0


def say(clock, utc_ms, told):
    """The gateway says a time; `told`: a word of what people are told, empty for nothing."""
    said = clock.set_utc(utc_ms, SYNCED)
    assert told in said and bool(told) == bool(said), said


def test_a_jump_of_a_year_is_believed_when_it_was_said_three_times_over_ten_seconds():
    time = Time()
    clock = time.clock()
    say(clock, NOW, "")
    say(clock, NOW + YEAR, "doubted")
    assert clock.stamp(clock.now()) == NOW
    assert clock.quality() == HOLDOVER
    assert not clock.wants_time(1 << 40)
    for _ in range(49):  # however often it is said meanwhile
        time.advance(100)
        say(clock, NOW + YEAR + time.at_ms, "")
    time.advance(100)
    assert clock.wants_time(1 << 40)
    say(clock, NOW + YEAR + time.at_ms, "")
    assert clock.stamp(clock.now()) == NOW + time.at_ms and clock.quality() == HOLDOVER
    time.advance(5000)
    say(clock, NOW + YEAR + time.at_ms, "moved by")
    assert clock.stamp(clock.now()) == NOW + YEAR + time.at_ms
    assert clock.quality() == SYNCED
    assert clock.jumps == 1


def test_who_says_another_time_each_time_is_never_believed():
    time = Time()
    clock = time.clock()
    say(clock, NOW, "")
    for number in range(1, 50):
        say(clock, NOW + time.at_ms + number * YEAR // 100, "doubted")
        time.advance(5000)
    assert clock.stamp(clock.now()) == NOW + time.at_ms and clock.jumps == 0
    assert clock.quality() == HOLDOVER


def test_a_single_wrong_time_is_forgotten():
    time = Time()
    clock = time.clock()
    say(clock, NOW, "")
    say(clock, NOW - YEAR // 2, "doubted")
    time.advance(1000)
    say(clock, NOW + 1000, "")
    assert clock.quality() == SYNCED
    assert clock.stamp(clock.now()) == NOW + 1000
    say(clock, NOW + YEAR, "doubted")
    assert clock.stamp(clock.now()) == NOW + 1000
    assert clock.jumps == 0


def test_a_time_at_which_this_firmware_cannot_run_is_never_taken_and_told_once():
    time = Time()
    clock = time.clock()
    year_2100 = 4_102_444_800_000
    for _ in range(5):
        time.advance(6000)
        for utc_ms in (0, BUILT_MS - 1, year_2100, 253402300799999):
            clock.set_utc(utc_ms, SYNCED)
    assert clock.quality() == UNSYNCED and clock.refused == 20
    say(clock, NOW, "")
    say(clock, year_2100, "refused")
    for _ in range(5):
        time.advance(6000)
        say(clock, year_2100, "")
    assert clock.quality() == SYNCED and clock.stamp(clock.now()) == NOW + 30_000
    say(clock, NOW + 30_000, "")
    say(clock, year_2100, "refused")
