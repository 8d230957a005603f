"""The planner: everything asked for is read, in as few and as different requests as the line wants."""

from hypothesis import given
from hypothesis import strategies as st
from wayside import profiles
from wayside_wire import modbus_plan
from wayside_wire.modbus_field import RegisterField

FIFTY_TWO = [
    name
    for name in profiles.load("eastron-sdm630").fields
    if not name.endswith(("_max", "_demand"))
    and not name.startswith(("energy_reactive_", "energy_active_l"))
    and not name.startswith(("thd_voltage_l1_", "thd_voltage_l2_", "thd_voltage_l3_", "thd_voltage_ll"))
    and name not in ("charge", "energy_apparent", "phase_angle")
]


def field(address: int, count: int = 1, function: int = 3, scale: int | None = None) -> RegisterField:
    name = f"c{function}_{address}"
    return RegisterField(name, "V", 0, function, address, count, "u", False, False, 0, 1, frozenset(), scale, 0, None)


def test_52_values_of_an_sdm630_take_three_or_four_requests() -> None:
    profile = profiles.load("eastron-sdm630")
    assert len(FIFTY_TWO) == 52
    cost = modbus_plan.request_cost(1042, 10_000)
    blocks = modbus_plan.plan(profile.select(FIFTY_TWO), profile.max_registers, cost, step=profile.step)
    assert len(blocks) in (3, 4)
    assert len({block.count for block in blocks}) == len(blocks), "answers of different lengths"


def test_a_slow_line_reads_gaps_and_a_fast_one_too_when_they_are_small() -> None:
    fields = [field(0), field(10)]
    assert len(modbus_plan.plan(fields, 125, cost=20)) == 1
    assert len(modbus_plan.plan(fields, 125, cost=5)) == 2
    assert len(modbus_plan.plan(fields, 10, cost=20)) == 2, "the device's limit holds"


def test_without_gaps_only_what_was_asked_for_is_read() -> None:
    fields = [field(0), field(1), field(3), field(10, 2), field(12)]
    blocks = modbus_plan.plan(fields, 125, modbus_plan.NO_GAPS)
    assert [(block.address, block.count) for block in blocks] == [(0, 2), (3, 1), (10, 3)]


def test_a_refused_block_is_cut_where_the_gap_is() -> None:
    fields = [field(0), field(1), field(10), field(11)]
    block = modbus_plan.plan(fields, 125, 50)[0]
    assert modbus_plan.cut(block) == (3, 10)
    cuts = {(3, 10)}
    first, second = modbus_plan.plan(fields, 125, 50, cuts)
    # One is longer, or their answers would look alike; refused, it is cut where its fields end.
    assert (first.address, first.count, second.address, second.count) == (0, 3, 10, 2)
    assert modbus_plan.cut(first) == (3, 2)
    blocks = modbus_plan.plan(fields, 125, 50, cuts | {(3, 2)})
    assert [(block.address, block.count) for block in blocks] == [(0, 2), (10, 2)], "nothing else can be done here"
    assert modbus_plan.cut(blocks[0]) == (3, 1)
    assert modbus_plan.cut(modbus_plan.plan([field(5)], 125, 50)[0]) is None


def cheapest(fields: list[RegisterField], limit: int, cost: int) -> int:
    """The least cost there is, by trying every way to cut the sorted list."""
    spans = sorted((one.address, one.address + one.count) for one in fields)
    best: int | None = None
    for choice in range(1 << (len(spans) - 1)):
        price, start = 0, 0
        for end in range(1, len(spans) + 1):
            if end == len(spans) or choice >> (end - 1) & 1:
                width = max(stop for _, stop in spans[start:end]) - spans[start][0]
                price += cost + width if width <= limit or end - start == 1 else 10**9
                start = end
        best = price if best is None else min(best, price)
    assert best is not None
    return best


@given(
    st.lists(
        st.builds(field, st.integers(0, 120), st.integers(1, 4)), min_size=1, max_size=8, unique_by=lambda f: f[4]
    ),
    st.integers(4, 60),
    st.integers(0, 40),
)
def test_the_plan_is_the_cheapest_and_covers_all(fields: list[RegisterField], limit: int, cost: int) -> None:
    blocks = modbus_plan.plan(fields, limit, cost)
    needed = [[(one.address, one.address + one.count) for one in block.fields] for block in blocks if block.fields]
    price = sum(cost + max(end for _, end in one) - min(start for start, _ in one) for one in needed)
    # One more where all would have looked alike.
    assert 0 <= price - cheapest(fields, limit, cost) <= cost
    assert sorted(one.channel for block in blocks for one in block.fields) == sorted(one.channel for one in fields)
    for block in blocks:
        assert block.count <= max(limit, 4)
        for one in block.fields:
            assert block.address <= one.address and one.address + one.count <= block.address + block.count


@given(st.sets(st.integers(0, 400), min_size=1, max_size=30), st.integers(8, 60))
def test_equal_lengths_only_where_there_is_no_room(addresses: set[int], limit: int) -> None:
    blocks = modbus_plan.plan([field(address) for address in addresses], limit, 6)
    low, high = min(addresses), max(addresses) + 1
    counts = [block.count for block in blocks]
    for block in blocks:
        if counts.count(block.count) > 1:
            # A longer one would reach beyond the device's registers or the limit, or is taken by another block.
            longer = range(block.count + 1, limit + 1)
            assert all(
                count in counts or (block.address + count > high and block.address + block.count - count < low)
                for count in longer
            )


def test_scale_registers_are_read_with_their_fields() -> None:
    blocks = modbus_plan.plan([field(0, scale=50), field(1, scale=50)], 20, 5)
    assert [(block.address, block.count) for block in blocks] == [(0, 2), (50, 1)]


def alike(blocks: list[modbus_plan.Block]) -> list[tuple[int, int]]:
    """The shapes that follow themselves, the first block after the last."""
    shapes = [(block.function, block.count) for block in blocks]
    return [shape for before, shape in zip([*shapes[-1:], *shapes], shapes, strict=False) if before == shape]


AREAS = st.dictionaries(
    st.tuples(st.sampled_from((3, 4)), st.integers(0, 60).map(lambda at: 2 * at)), st.sampled_from((1, 2)), min_size=2
)


@given(AREAS, st.booleans(), st.sets(st.integers(0, 120), max_size=4), st.sampled_from((8, 40)))
def test_no_shape_follows_itself(areas: dict[tuple[int, int], int], gaps: bool, cuts: set[int], limit: int) -> None:
    fields = [field(address, count, function) for (function, address), count in areas.items()]
    cost = 6 if gaps else modbus_plan.NO_GAPS
    blocks = modbus_plan.plan(fields, limit, cost, {(function, at) for function in (3, 4) for at in cuts})
    if len(blocks) > 1 and alike(blocks):
        # Most are of one field and of one shape, and no other block is of several fields of another one.
        (shape,) = set(alike(blocks))
        same = [block for block in blocks if (block.function, block.count) == shape]
        assert 2 * len(same) > len(blocks)
        assert all(len(block.fields) <= 2 for block in blocks)
    places = [block[:3] for block in blocks if block.fields]
    assert len(set(places)) == len(places)
    for at, block in enumerate(blocks):  # what only stands between is the beginning of what was read before
        if not block.fields:
            assert block[:3] not in places
            assert any(one[:2] == block[:2] and one.count > block.count and one.fields for one in blocks[:at])
    wanted = {(one.function, one.address + at) for one in fields for at in range(one.count)}
    read = {(block.function, block.address + at) for block in blocks for at in range(block.count)}
    assert wanted == read if not gaps else wanted <= read


def test_blocks_of_one_shape_are_put_in_turn_or_divided() -> None:
    def shapes(fields: list[RegisterField]) -> list[tuple[int, int]]:
        blocks = modbus_plan.plan(fields, 125, modbus_plan.NO_GAPS)
        return [(block.function, block.count) for block in blocks]

    assert shapes([field(0), field(10), field(20, 2), field(30, 2)]) == [(3, 1), (3, 2), (3, 1), (3, 2)]
    assert shapes([field(0), field(10), field(0, function=4), field(10, function=4)]) == [(3, 1), (4, 1)] * 2
    assert shapes([field(0), field(1), field(2), field(10), field(11), field(12)]) == [(3, 1), (3, 2), (3, 3)]
    two = [field(at, 2) for at in (0, 10, 20)]
    assert shapes([*two, *[field(at, 2) for at in (40, 42, 44)]]) == [(3, 2), (3, 6)] + [(3, 2), (3, 4)] * 2
    assert shapes([*two, field(40, 4)]) == [(3, 2), (3, 2), (3, 2), (3, 4)], "a half of a value is not read"
    assert shapes([field(0), field(10)]) == [(3, 1), (3, 1)], "nothing can be done here"
    assert shapes([field(0), field(1)]) == [(3, 2)], "one block is only followed by itself"


def test_a_block_is_not_like_the_serial_number_beside_it() -> None:
    first, second = modbus_plan.plan([field(0, 2), field(20, 4)], 125, 6, beside=(3, 2))
    assert 2 not in (first.count, second.count)
    blocks = modbus_plan.plan([field(0, 2), field(20, 4), field(40, 6)], 125, modbus_plan.NO_GAPS, beside=(3, 2))
    assert [block.count for block in blocks] == [4, 6, 2]
