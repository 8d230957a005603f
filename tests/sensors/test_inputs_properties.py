"""What holds of an input whatever its line and whatever it sees."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st
from wayside_node.sensors.analogue import Analogue, VoltageSpan
from wayside_node.sensors.contact import Debounce
from wayside_wire.lora_report import ReportChannel
from wayside_wire.pack import BAD, GOOD

MICROVOLTS = st.integers(0, 5_000_000)
MANTISSAS = st.integers(-(10**9), 10**9)
LIMITS = st.one_of(st.none(), MICROVOLTS)
CHANNEL = ReportChannel("level", "m", -3)


@given(
    low_uv=MICROVOLTS, high_uv=MICROVOLTS, low=MANTISSAS, high=MANTISSAS, spill=st.integers(0, 1000), below=LIMITS,
    above=LIMITS, voltages=st.lists(MICROVOLTS, min_size=1, max_size=40), samples=st.integers(1, 16),
)  # fmt: skip
def test_a_value_is_the_mean_on_the_line_or_there_is_none(
    low_uv: int, high_uv: int, low: int, high: int, spill: int, below: int | None, above: int | None,
    voltages: list[int], samples: int,
) -> None:  # fmt: skip
    assume(low_uv < high_uv)
    given_uv = iter(voltages)
    driver = Analogue(
        lambda: next(given_uv), CHANNEL, VoltageSpan(low_uv, high_uv, low, high, spill, (below, above)), samples
    )
    for _ in voltages:
        driver.step()
    (reading,) = driver.readings(5)
    last = voltages[-samples:]
    margin = (high_uv - low_uv) * spill // 1000
    broken = any((below is not None and uv <= below) or (above is not None and uv >= above) for uv in last)
    outside = any(not low_uv - margin <= uv <= high_uv + margin for uv in last)
    if broken or outside or len(voltages) < samples:
        assert (reading.quality, reading.mantissa) == (BAD, None)
        assert reading.reason in ("broken wire", "out of range", "no value yet")
        assert not (broken and reading.reason == "no value yet")
        return
    mean = Fraction(sum(last), len(last))
    exact = low + (mean - low_uv) * (high - low) / (high_uv - low_uv)
    assert reading.quality == GOOD and reading.exponent == CHANNEL.exponent
    assert reading.mantissa == round(exact)  # Fraction rounds half to even, too


@given(low=MANTISSAS, high=MANTISSAS, one=MICROVOLTS, other=MICROVOLTS)
def test_more_volts_never_mean_less_on_a_rising_line(low: int, high: int, one: int, other: int) -> None:
    assume(low <= high and one <= other)
    span = VoltageSpan(0, 5_000_000, low, high, 0)
    assert low <= span.value(one, 1) <= span.value(other, 1) <= high


@given(
    levels=st.lists(st.tuples(st.booleans(), st.integers(1, 200)), min_size=1, max_size=40),
    least_ms=st.integers(1, 100), first=st.booleans(),
)  # fmt: skip
def test_a_contact_is_what_it_was_for_long_enough(levels: list[tuple[bool, int]], least_ms: int, first: bool) -> None:
    """Looked at each millisecond, and judged anew from the whole history at the end."""
    now, gate = 0, Debounce(least_ms, first)
    runs: list[tuple[bool, int]] = []  # level, how long
    for level, span_ms in levels:
        for _ in range(span_ms):
            gate.edge(level, now)
            now += 1
        lasted = runs.pop()[1] if runs and runs[-1][0] == level else 0
        runs.append((level, lasted + span_ms))
    active, count = first, 0
    for level, lasted in runs:
        if level != active and lasted >= least_ms:
            active = level
            count += active
    assert (gate.settle(now), gate.count) == (active, count)
