"""How long entries have been in the log at most, by the clock that never jumps."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st
from wayside.intake.ages import Ages


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=40), st.integers(0, 100))
def test_no_entry_is_younger_than_it_is_and_none_from_before_the_start_is_young(
    commits: list[tuple[int, float]], before: int
):
    now_s = 0.0
    ages = Ages(before, lambda: now_s)
    logged: list[float] = []
    for count, after_s in commits:
        now_s += after_s
        logged += [now_s] * count
        ages.grew(before + len(logged))
    for number, at_s in enumerate(logged):
        assert now_s - at_s <= ages.most_s(before + number) <= now_s - at_s + 1.001
    assert all(ages.most_s(index) == inf for index in range(before))
