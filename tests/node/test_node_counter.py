"""One energy register: what is believed at once, what is held back, and what makes a new count of it."""

from wayside_wire.counter import RESET, ROLLOVER, Change, Counter

KW = 1000


def counter(watts=20 * KW, rollover=None, resets=False, count=36, is_float=False):
    """In steps of 0.01 kWh, mantissas of 1 kJ."""
    return Counter(3, count, is_float, rollover, resets, watts)


def fed(one, values, step_ms=1000, start=0):
    """What is believed of each of the values (in steps of 0.01 kWh), None where it is held back; and the changes."""
    seen, changes = [], []
    for number, value in enumerate(values):
        reason, change = one.check(36 * value, start + number * step_ms)
        seen.append(None if reason else value)
        if change:
            changes.append(Change(change.kind, change.before // 36, change.after // 36))
    return seen, changes


def held(values, *places):
    return [None if at in places else value for at, value in enumerate(values)]


def test_zeros_after_a_reconnect_are_no_values():
    values = [1234595, 0, 0, 0, 0, 0, 1234595, 1234596]
    seen, changes = fed(counter(), values)
    assert seen == held(values, 1, 2, 3, 4, 5) and not changes


def test_zeros_for_a_whole_night_are_no_values():
    values = [5000] + [0] * 700 + [5000, 5001]
    seen, changes = fed(counter(), values, 60000)
    assert seen == [5000] + [None] * 700 + [5000, 5001] and not changes


def test_a_spike_is_no_value():
    values = [1000, 1001, 900000, 1001, 1002]
    assert fed(counter(), values) == (held(values, 2), [])


def test_a_spike_that_is_repeated_for_a_while_is_no_value():
    values = [1000, 1001] + [900000] * 50 + [1001, 1002]
    assert fed(counter(), values)[0] == [1000, 1001] + [None] * 50 + [1001, 1002]


def test_a_register_that_trembles_by_one_count():
    values = [1000, 999, 1000, 999, 999] + [999] * 200 + [1000, 1001]
    seen, changes = fed(counter(), values)
    assert [value for value in seen if value is not None] == [1000, 1000, 1000, 1001] and not changes


def test_a_float_loses_its_last_bits():
    """At 100,000 kWh a float register has steps of 28 kJ: it falls by one of them, and comes back."""
    one = counter(count=1, is_float=True)
    assert one.check(360000000, 0) == ("", None)
    assert one.check(359999972, 1000)[0] and one.check(359999972, 200000)[0]
    assert one.check(360000028, 201000) == ("", None)


def test_a_higher_count_is_held_back_until_it_counts():
    values = [1000] + [500000 + second // 10 for second in range(80)]
    seen, changes = fed(counter(), values)
    assert changes == [Change(RESET, 1000, 500000)]
    assert seen[:61] == [1000] + [None] * 60 and None not in seen[61:]


def test_a_higher_count_does_not_become_plausible_by_waiting():
    """20 kW carry 500 kWh in 25 hours; a register that stands still says nothing for a day."""
    values = [1000] + [51000] * (24 * 60) + [51000] * 3
    seen, changes = fed(counter(), values, 60000)
    assert set(seen[1:1440]) == {None} and seen[-1] == 51000
    assert changes == [Change(RESET, 1000, 51000)]


def test_what_was_too_high_stays_so_over_glitches():
    """4,000 kWh too many for hours, and then something else for one poll, or a step."""
    for glitch in (0, 650000, 499999, 500010):
        for behind in (500000, 499990, 501000):
            values = [100000] + [500000] * 300 + [glitch] + [behind] * 100
            seen, changes = fed(counter(1000 * KW), values, 60000)
            # Some of them count on: that is a new count, never the old one.
            assert seen == [100000] + [None] * 401 or changes[0].before == 100000
            assert not changes or glitch > 490000
    # Back where it was, with what has flowed meanwhile.
    values = [100000] + [500000] * 300 + [0, 101000]
    assert fed(counter(1000 * KW), values, 60000)[0] == held(values, *range(1, 302))


def test_a_register_that_is_renewed_every_hour():
    """6 kW of 10: after a few steps it is known to do so."""
    values = [600 * (minute // 60) for minute in range(3000)]
    seen, changes = fed(counter(10 * KW), values, 60000)
    assert len(changes) == 1 and None not in seen[400:]
    # What it did not do before is doubted all the same.
    values.append(values[-1] + 20000)
    assert fed(counter(10 * KW), values, 60000)[0][-1] is None


def test_a_register_that_is_renewed_rarely_steps():
    """An inverter that renews its registers every five minutes: 20 kW are 1.66 kWh."""
    values = []
    for step in range(6):
        values += [1000 + 166 * step] * 300
    seen, changes = fed(counter(), values)
    assert seen == values and not changes


def test_after_an_outage_the_time_counts():
    one = counter()
    assert one.check(36000, 0) == ("", None)
    assert one.check(36000 + 72000, 3600000) == ("", None)  # 20 kWh in an hour
    assert one.check(36000 + 72000 * 4, 7200000)[0]  # 60 kWh in the next


def test_the_end_of_the_range():
    values = [9999998, 9999999, 0, 1, 2]
    assert fed(counter(rollover=360000000), values) == (held(values, 2), [Change(ROLLOVER, 9999999, 0)])
    values = [9999998, 9999999, 0, 0, 0, 9999999]
    assert fed(counter(rollover=360000000), values) == (held(values, 2, 3, 4), [])


def test_a_counter_of_the_day_begins_again_and_need_not_count():
    values = [3000] + [0] * 90
    seen, changes = fed(counter(resets=True), values)
    assert seen == [3000] + [None] * 60 + [0] * 30 and changes == [Change(RESET, 3000, 0)]


def test_a_counter_of_the_month_that_says_zero_for_some_seconds_after_an_outage():
    one = counter(resets=True)
    assert fed(one, [374])[0] == [374]
    assert fed(one, [0, 0, 0, 375, 376], start=1900000) == ([None, None, None, 375, 376], [])


def test_one_zero_at_a_slow_poll():
    values = [4048283, 0, 4048283, 4048320, 0, 4048350]
    assert fed(counter(), values, 62000) == (held(values, 1, 4), [])


def test_a_register_of_a_tenth_that_falls_by_one():
    one = counter(count=360)
    assert [not one.check(360 * value, second * 1000)[0] for second, value in enumerate((202928, 202927, 202928))] == [
        True,
        False,
        True,
    ]


def test_behind_a_start_a_lower_count_is_doubted_and_a_higher_one_waits_for_another():
    one = counter()
    one.restore(36000, None)
    values = [0, 0] + [5000] * 61
    seen, changes = fed(one, values)
    assert seen == [None] * 62 + [5000] and not changes
    one = counter()
    one.restore(36000, -10000)
    assert fed(one, [1000, 1001]) == ([1000, 1001], [])


def test_another_meter_is_believed_at_once():
    one = counter()
    fed(one, [1000, 1001])
    assert one.restart() == 36 * 1001
    assert fed(one, [7, 8], start=5000) == ([7, 8], [])


def test_no_exponent_is_a_float():
    one = Counter(-3, 1, False, None, False, 1000)  # millijoules: 1 kW may count 1,000,000 in a second
    assert one.check(0, 0) == ("", None)
    assert one.check(11000000, 1000) == ("", None)
    assert one.check(11000000 + 11000003, 2000)[0]
