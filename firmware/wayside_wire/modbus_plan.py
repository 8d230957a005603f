"""The cheapest requests that read given fields, and blocks whose answers cannot be taken for each other's.

Two blocks of one shape (function and length) never follow one another, nor does the first the last: blocks are made
longer where registers between fields may be read, put in another order, divided, or the beginning of another one is
asked once more in between. Where that cannot be, most blocks being of one field and of one shape, the guard keeps them
apart in time.
"""

from collections import namedtuple

Block = namedtuple("Block", ("function", "address", "count", "fields"))
"""One request: `count` registers from `address`, and the fields that they hold: none where it only stands between."""

NO_GAPS = 1  # registers; a request that costs as much as the smallest gap is never saved by reading one

# On the wire: request (8 bytes), head and CRC of the answer (5), silence before and after (2 x 3.5).
_FRAME_CHARACTERS = 20


def request_cost(character_us: int, turnaround_us: int) -> int:
    """What one more request costs, in register times, on a line with this character time and this answer delay."""
    return (_FRAME_CHARACTERS + turnaround_us // character_us) // 2


def plan(fields, limit: int, cost: int, cuts=(), step: int = 1, beside=None) -> list:
    """Blocks that cover `fields` and cost least, when a request costs as much as `cost` registers.

    limit: registers per request; cuts: (function, address) pairs, no block reaches from below the address beyond it
    (see `cut`); step: blocks are lengthened by multiples of this only, for devices that take no half values; beside:
    (function, count) of a request that is sometimes made after the first block. A cost of NO_GAPS reads nothing but the
    fields.
    """
    blocks = []
    for function in sorted({field.function for field in fields}):
        spans = _spans([field for field in fields if field.function == function])
        bounds = [address for area, address in cuts if area == function]
        blocks.extend(_cheapest(function, spans, limit, cost, bounds))
    if cost != NO_GAPS:
        _make_distinct(blocks, limit, step, cuts, beside)
    return _turned(_apart(blocks), beside)


def cut(block) -> tuple | None:
    """The (function, address) at which to cut a block that the device refused, None for a block of one field.

    What was read for the length only goes first, then the widest gap: registers that do not exist are the usual cause.
    Without a gap it is the middle.
    """
    if block.fields:
        first = min([field.address for field in block.fields])
        end = max([field.address + field.count for field in block.fields])
        if end < block.address + block.count:
            return block.function, end
        if first > block.address:
            return block.function, first
    starts = sorted([field.address for field in block.fields])
    widest = at = 0
    stop = block.address
    for field in sorted(block.fields, key=_address):
        if field.address - stop > widest:
            widest = field.address - stop
            at = field.address
        stop = max(stop, field.address + field.count)
    if not widest:
        at = starts[len(starts) // 2] if starts else block.address
    return (block.function, at) if at > block.address else None


def _address(field):
    return field.address


def _spans(fields) -> list:
    """(start, end, field) of every field and of its scale register, by address."""
    spans = {}
    for field in fields:
        spans[field.address, field.address + field.count, field.channel] = field
        if field.scale is not None:
            spans[field.scale, field.scale + 1, ""] = None
    return [(start, stop, spans[start, stop, name]) for start, stop, name in sorted(spans)]


def _cheapest(function: int, spans: list, limit: int, cost: int, bounds: list) -> list:
    # best[i]: least cost of reading the first i spans; first[i]: where the last block of these starts.
    best: list = [0]
    first = [0]
    for end in range(1, len(spans) + 1):
        best.append(None)
        first.append(end - 1)
        stop = 0
        for start in range(end - 1, -1, -1):
            address = spans[start][0]
            stop = max(stop, spans[start][1])
            # A single field is always asked, even where it is longer than the limit.
            if start != end - 1 and (stop - address > limit or _crosses(bounds, address, stop)):
                break
            price = best[start] + cost + stop - address
            if best[end] is None or price < best[end]:
                best[end] = price
                first[end] = start
    blocks = []
    end = len(spans)
    while end:
        start = first[end]
        address = spans[start][0]
        stop = max([span[1] for span in spans[start:end]])
        fields = tuple([span[2] for span in spans[start:end] if span[2] is not None])
        blocks.append(Block(function, address, stop - address, fields))
        end = start
    blocks.reverse()
    return blocks


def _crosses(bounds: list, address: int, stop: int) -> bool:
    return any([address < bound < stop for bound in bounds])


def _shape(block):
    return block.function, _size(block.function, block.count)


def _make_distinct(blocks: list, limit: int, step: int, cuts, beside) -> None:
    """Lengthen blocks where two would have answers of the same shape.

    A longer block reaches into registers that lie between the device's own fields, and across no cut.
    """
    edges = {}
    for block in blocks:
        low, high = edges.get(block.function, (block.address, 0))
        edges[block.function] = min(low, block.address), max(high, block.address + block.count)
    # The longest first: they have the least room to grow.
    for index in sorted(range(len(blocks)), key=lambda at: -blocks[at].count):
        block = blocks[index]
        taken = [_shape(one) for one in blocks] + [beside]
        # Nobody could shorten it again: what a device refuses is cut between fields.
        if taken.count(_shape(block)) == 1 or not block.fields:
            continue
        bounds = [address for area, address in cuts if area == block.function]
        for address, count in _lengthened(block, limit, edges[block.function], step):
            shape = block.function, _size(block.function, count)
            if shape not in taken and not _crosses(bounds, address, address + count):
                blocks[index] = Block(block.function, address, count, block.fields)
                break


def _size(function: int, count: int) -> int:
    """What the size of an answer depends on: of coils and discrete inputs eight are one byte."""
    return count if function > 2 else (count + 7) // 8


def _lengthened(block, limit: int, edges, step: int):
    """(address, count) longer at the end or at the start, the shortest first."""
    low, high = edges
    for more in range(step, limit - block.count + 1, step):
        if block.address + block.count + more <= high:
            yield block.address, block.count + more
        if block.address - more >= low:
            yield block.address - more, block.count + more


def _apart(blocks: list) -> list:
    """The blocks in an order in which no two of one shape follow one another, nor the first the last.

    Where somewhat more than half have one shape, the beginning of another is asked again in between: that costs less
    time than the wait for a second copy. One block alone stays as it is: after itself it can only be taken for itself.
    """
    if len(blocks) < 2 or not _touching(blocks):
        return blocks
    shapes = [_shape(block) for block in blocks]
    if len(set(shapes)) == 1:
        for index, block in enumerate(blocks):
            parts = _divided(block)
            apart = _apart(blocks[:index] + parts + blocks[index + 1 :]) if parts else blocks
            if not _touching(apart):
                return apart
        return blocks
    most = max(shapes, key=shapes.count)
    missing = 2 * shapes.count(most) - len(blocks)
    between = _between(blocks, most)
    if between and 0 < missing <= len(blocks) // 2:
        blocks = blocks + [between] * missing
    return _alternating(blocks, most)


def _between(blocks: list, shape):
    """The shortest beginning of a block, of some fields, that has another shape and is no block itself; or None."""
    places = [block[:3] for block in blocks]
    best = None
    for block in blocks:
        stop = block.address
        for field in sorted(block.fields, key=_address)[:-1]:
            stop = max(stop, field.address + field.count)
            found = Block(block.function, block.address, stop - block.address, ())
            is_new = _shape(found) != shape and found[:3] not in places
            if is_new and (best is None or found.count < best.count):
                best = found
    return best


def _touching(blocks: list) -> bool:
    return any([_shape(blocks[at - 1]) == _shape(blocks[at]) for at in range(len(blocks))])


def _alternating(blocks: list, most) -> list:
    """In every second place first, the most frequent shape `most` foremost, then in the places between.

    What only stands between comes last: where it is refused, the block that it begins was refused before.
    """
    shapes = [_shape(block) for block in blocks]
    ranks = [
        (shape != most, not block.fields, -shapes.count(shape), shape, at)
        for at, (block, shape) in enumerate(zip(blocks, shapes))
    ]
    order = [rank[-1] for rank in sorted(ranks)]
    placed = [blocks[0]] * len(blocks)
    places = list(range(0, len(blocks), 2)) + list(range(1, len(blocks), 2))
    for place, index in zip(places, order):
        placed[place] = blocks[index]
    return placed


def _divided(block):
    """The block in two, if possible of different shapes, where it can be cut between fields; None where it cannot."""
    fields = sorted(block.fields, key=_address)
    best = None
    stop = block.address
    for index, field in enumerate(fields):
        if index and field.address >= stop and (best is None or 2 * (best[1] - block.address) == block.count):
            best = index, field.address
        stop = max(stop, field.address + field.count)
    if best is None:
        return None
    index, at = best
    return [
        Block(block.function, block.address, at - block.address, tuple(fields[:index])),
        Block(block.function, at, block.address + block.count - at, tuple(fields[index:])),
    ]


def _turned(blocks: list, beside) -> list:
    """The same round of blocks, begun so that the first two are both of another shape than `beside`."""
    for start in range(len(blocks)):
        if beside not in (_shape(blocks[start]), _shape(blocks[(start + 1) % len(blocks)])):
            return blocks[start:] + blocks[:start]
    return blocks
