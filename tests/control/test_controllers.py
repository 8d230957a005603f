"""The conformance suite of controllers: whatever stands in that folder, or is an example of one, passes it.

A new one adds its case to controllers.CASES.
"""

import ast
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from control.controllers import CASES, EXAMPLES, START_MS, Bench, Case, example
from hypothesis import given
from hypothesis import strategies as st
from wayside.control import controllers
from wayside.control.controllers import Cycle, Input
from wayside.control.decided import Step, as_body, replay, step_of
from wayside.evidence import EvidenceError
from wayside.evidence.kinds import DecisionBody
from wayside.values.reading import TimeQuality
from wayside_wire import cbor

UNKNOWN = Input(None, "", "no answer")


@pytest.fixture(params=CASES.values(), ids=CASES, scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    made: Case = request.param
    if made.is_example:
        with example(made.kind, tmp_path_factory.mktemp("example")):
            yield made
    else:
        yield made


def bench_of(case: Case) -> Bench:
    file = controllers.load(case.kind)
    return Bench(file, file.Settings.model_validate(dict(case.options)))


def inputs(draw: st.DrawFn, case: Case) -> dict[str, Input]:
    """What may be known of each: a value of any size, in its unit or another one, or nothing."""
    made = {}
    for name, (unit, least, most) in case.inputs.items():
        value = draw(st.one_of(st.none(), st.integers(10 * least, 10 * most), st.integers(-(2**63), 2**63 - 1)))
        exponent = draw(st.sampled_from([-1, -1, -9, 0, 9]))
        seen_in = draw(st.sampled_from([unit, unit, unit, "", "kW"]))
        made[name] = UNKNOWN if value is None else Input(Decimal(value).scaleb(exponent), seen_in)
    return made


def allowed(case: Case) -> dict[str, set[Decimal]]:
    return {name: {number for _, number in known} for name, known in bench_of(case).options.asks().items()}


def test_every_kind_has_a_case(tmp_path: Path) -> None:
    assert set(controllers.FILES.names()) <= {each.kind for each in CASES.values()}
    assert {each.kind for each in CASES.values() if each.is_example} <= {path.stem for path in EXAMPLES.glob("*.py")}


@given(data=st.data())
def test_whatever_is_known_and_whatever_time_it_is(case: Case, data: st.DataObject) -> None:
    """It asks for each output, in finite numbers, of those that the site file was checked for; it remembers little."""
    bench, may = bench_of(case), allowed(case)
    for _ in range(data.draw(st.integers(1, 12))):
        seen = data.draw(st.composite(inputs)(case))
        passed_ms = data.draw(st.sampled_from([0, 1, 1000, 1000, 60_000, 10**9]))
        utc_ms = START_MS + data.draw(st.sampled_from([0, -(10**12), 10**12]))
        asked = bench.step(seen, passed_ms, utc_ms)
        assert asked.keys() == may.keys(), "step() gives an Ask for each output of asks(), and for no other"
        for name, each in asked.items():
            is_number = each.number is None or (isinstance(each.number, Decimal) and each.number.is_finite())
            assert is_number, f"{name}: {each.number!r}: a number is a finite Decimal, or None"
            is_checked = each.number is None or not may[name] or each.number in may[name]
            assert is_checked, f"{name}: {each.number}: list in asks() each number that step() may ask for"
            assert 0 < len(each.why) <= 200, f"{name}: why has 1 to 200 characters: {each.why!r}"
        assert len(cbor.encode(dict(bench.state))) < 1000, "the state is less than 1,000 bytes"


def test_it_is_pure(case: Case) -> None:
    """The same is asked for the same, and neither a state nor an input is changed: so a decision can be made again."""
    file = controllers.load(case.kind)
    options = file.Settings.model_validate(dict(case.options))
    least = {name: Input(Decimal(first), unit) for name, (unit, first, _) in case.inputs.items()}
    most = {name: Input(Decimal(last), unit) for name, (unit, _, last) in case.inputs.items()}
    state = file.begin(options)
    for seconds, seen in enumerate((least, most, least, dict.fromkeys(case.inputs, UNKNOWN), most)):
        before, given_inputs = dict(state), dict(seen)
        cycle = Cycle(seen, 1000 * seconds, START_MS, TimeQuality.SYNCED)
        outcomes = [file.step(options, state, cycle) for _ in range(2)]
        assert outcomes[0] == outcomes[1], "the same state and cycle give the same: remember only in the state"
        assert (dict(state), seen) == (before, given_inputs), "return a new state; leave the given one as it is"
        state = outcomes[0][0]


def test_what_is_not_known_asks_for_nothing_or_for_what_is_stated(case: Case) -> None:
    """From the start, after anything, and for good; and it says why."""
    for first in (UNKNOWN, *(Input(Decimal(last), unit) for unit, _, last in case.inputs.values())):
        bench = bench_of(case)
        for _ in range(200):
            bench.step(dict.fromkeys(case.inputs, first))
        for _ in range(3700):
            bench.step(dict.fromkeys(case.inputs, UNKNOWN))
        stated = getattr(bench.options, "unknown", None)
        for each in bench.asked.values():
            safe = None if stated is None else getattr(bench.options, stated)
            told = f"an hour after its inputs are not known it asks for {each}; ask for {safe} then"
            assert each.number == safe, f"{told}, or have an option `unknown` that names the value"
            assert "no answer" in each.why, f'{told}, and write "no answer" into its why'


def test_a_wall_clock_that_jumps_changes_nothing(case: Case) -> None:
    """Of a kind that has no calendar. A new one that has gets an exception here, with its reason."""
    steady, jumping = bench_of(case), bench_of(case)
    for second in range(400):
        seen = {
            name: Input(Decimal(last if second % 100 < 50 else first), unit)
            for name, (unit, first, last) in case.inputs.items()
        }
        assert steady.step(seen) == jumping.step(seen, utc_ms=START_MS + second * (-1) ** second * 10**9)


def test_noise_is_no_flood_of_entries(case: Case) -> None:
    """Around any value by a thousandth of its range: what it asks for and why changes seldom."""
    for level in range(101):
        bench, changes, before = bench_of(case), 0, None
        for second in range(300):
            seen = {}
            for name, (unit, first, last) in case.inputs.items():
                range_ = Decimal(last - first)
                value = first + range_ * level / 100 + range_ / 1000 * (-1) ** second
                seen[name] = Input(value, unit)
            changes += bench.step(seen) != before
            before = bench.asked
        told = f"{changes} changes in 300 cycles around {level} % of the inputs' ranges, the last {bench.asked}"
        assert changes <= 3, f"{told}; let it stay as it is while an input moves little (docs/controllers.md)"


def test_its_work_is_bounded(case: Case) -> None:
    """A thousand cycles in far less than their time, also after a pause of years."""
    bench, began = bench_of(case), time.process_time()
    for number in range(1000):
        seen = {name: Input(Decimal(last), unit) for name, (unit, _, last) in case.inputs.items()}
        bench.step(seen, 10**12 if number == 500 else 1000)
    assert time.process_time() - began < 10


@given(data=st.data())
def test_each_decision_can_be_made_again_from_its_entry(case: Case, data: st.DataObject) -> None:
    bench, targets = bench_of(case), {name: f"device {name}" for name in allowed(case)}
    for _ in range(3):
        seen = data.draw(st.composite(inputs)(case))
        cycle, before = Cycle(seen, bench.now_ms, START_MS, TimeQuality.HOLDOVER), bench.state
        asked = bench.step(seen, utc_ms=START_MS)
        body = as_body("name", targets, Step(case.kind, bench.options, before, cycle, asked))
        body = DecisionBody.decode(cbor.decode(cbor.encode(body.encode())))
        assert step_of(body) == Step(case.kind, bench.options, before, cycle, asked)
        assert replay(body).follows


@pytest.mark.parametrize("key", ["kind", "options", "state", "reads", "asks", "now_ms", "time_quality"])
def test_an_entry_of_something_else_is_said_to_be_so(key: str) -> None:
    bench = bench_of(CASES["threshold"])
    cycle, state = Cycle({"value": UNKNOWN}, 0, START_MS, TimeQuality.SYNCED), bench.state
    body = as_body(
        "name", {"load": "device load"}, Step("threshold", bench.options, state, cycle, bench.step(cycle.inputs))
    )
    assert replay(body).follows
    for other in ({}, "{", "nothing", 1.5, [None], {"load": ["x", 1]}):
        inputs = dict(body.inputs or {}) | {key: other}
        if key == "asks" and not other:
            assert not replay(DecisionBody("name", "what", "why", inputs)).follows
            continue
        with pytest.raises(EvidenceError):
            replay(DecisionBody("name", "what", "why", inputs))
    with pytest.raises(EvidenceError):
        replay(DecisionBody("name", "what", "why", None))


def test_a_file_knows_nothing_that_a_pure_step_does_not_need(case: Case) -> None:
    folder = EXAMPLES if case.is_example else Path(str(controllers.__file__)).parent
    ours = ("wayside.control.controllers", "wayside.settings.table", "wayside.values.reading")
    standard = {"collections", "collections.abc", "dataclasses", "decimal", "enum", "fractions", "math", "typing"}
    for node in ast.walk(ast.parse((folder / f"{case.kind}.py").read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name in ours or name in standard or name.split(".")[0] == "pydantic", name
