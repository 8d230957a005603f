"""The cheapest requests that read given fields, and blocks whose answers cannot be taken for each other's."""

from collections import namedtuple

Block = namedtuple("Block", ("function", "address", "count", "fields"))
"""One request: `count` registers from `address`, and the fields that they hold."""

NO_GAPS = 1  # registers; a request that costs as much as the smallest gap is never saved by reading one

# On the wire: request (8 bytes), head and CRC of the answer (5), silence before and after (2 x 3.5).
_FRAME_CHARACTERS = 20


def request_cost(character_us: int, turnaround_us: int) -> int:
    """What one more request costs, in register times, on a line with this character time and this answer delay."""
    return (_FRAME_CHARACTERS + turnaround_us // character_us) // 2


def plan(fields, limit: int, cost: int, cuts=(), step: int = 1) -> list:
    """Blocks that cover `fields` and cost least, when a request costs as much as `cost` registers.

    limit: registers per request; cuts: (function, address) pairs, no block reaches from below the address beyond it
    (see `cut`); step: blocks are lengthened by multiples of this only, for devices that take no half values. A cost of
    NO_GAPS reads nothing but the fields.
    """
    blocks = []
    for function in sorted({field.function for field in fields}):
        spans = _spans([field for field in fields if field.function == function])
        bounds = [address for area, address in cuts if area == function]
        blocks.extend(_cheapest(function, spans, limit, cost, bounds))
    # Where a device has refused a block its holes are not known, and no register is read that nobody asked for.
    return blocks if cuts or cost == NO_GAPS else _distinct(blocks, limit, step)


def cut(block) -> tuple | None:
    """The (function, address) at which to cut a block that the device refused, None for a block of one field.

    The widest gap comes first: registers that do not exist are the usual cause. Without a gap it is the middle.
    """
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


def _distinct(blocks: list, limit: int, step: int) -> list:
    """The same blocks, lengthened where two would have answers of the same shape.

    A longer block reaches into registers that lie between the device's own fields; where there is no room the blocks
    keep their length, and the guard keeps their requests apart in time.
    """
    edges = {}
    for block in blocks:
        low, high = edges.get(block.function, (block.address, 0))
        edges[block.function] = min(low, block.address), max(high, block.address + block.count)
    taken = set()
    # The longest first: they have the least room to grow.
    for index in sorted(range(len(blocks)), key=lambda at: -blocks[at].count):
        block = blocks[index]
        for address, count in _lengthened(block, limit, edges[block.function], step):
            if (block.function, _size(block.function, count)) not in taken:
                blocks[index] = Block(block.function, address, count, block.fields)
                break
        taken.add((block.function, _size(block.function, blocks[index].count)))
    return blocks


def _size(function: int, count: int) -> int:
    """What the size of an answer depends on: of coils and discrete inputs eight are one byte."""
    return count if function > 2 else (count + 7) // 8


def _lengthened(block, limit: int, edges, step: int):
    """(address, count) as it is, then longer at the end, then longer at the start."""
    low, high = edges
    yield block.address, block.count
    for more in range(step, limit - block.count + 1, step):
        if block.address + block.count + more <= high:
            yield block.address, block.count + more
        if block.address - more >= low:
            yield block.address - more, block.count + more
