"""What a node knows of a meter after a start: its last counts, unless they are another meter's."""

from fakes import Keys, Time, files, scratch
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity
from wayside_node.meter_memory import MeterState
from wayside_node.packer import Packer
from wayside_wire.modbus_counts import belonging
from wayside_wire.modbus_field import More, RegisterField
from wayside_wire.pack import BAD, GOOD, Reading


def field(channel="energy_a", unit="J", function=4, address=0, factor=36, missing=(5,), more=None):
    return RegisterField(
        channel, unit, 3, function, address, 2, "u", False, False, 0, factor, frozenset(missing), None, 0, more
    )  # fmt: skip


ENERGY = field()
HERE, THERE = belonging(1, 1, "1 meter", [ENERGY]), belonging(2, 1, "1 meter", [ENERGY])


class Node:
    def __init__(self):
        self.path = scratch("memory")
        self.journal = PackJournal(files(), self.path + "/j", 1 << 16)
        self.identity = open_identity(files(), self.path, Keys, bytes)
        self.boot = 0

    def start(self, place, count=None, held_back=""):
        """What is known in the next boot; then the meter counts, or nothing of it is good. held_back: why."""
        self.boot += 1
        memory = MeterState(files(), self.path, "m", self.journal)
        memory.settle(place, self.boot)
        known = memory.counts([ENERGY])[0]
        if count is not None:
            packer = Packer("m", self.boot, self.journal, self.identity, Time().clock())
            packer.take(
                [Reading("energy_a", "J", None if held_back else count, 3, BAD if held_back else GOOD, held_back, 0)]
            )
            while packer.busy:
                packer.sign()
                packer.store()
        return known


def test_counts_are_those_of_the_place_where_the_meter_is_now():
    node = Node()
    assert node.start(HERE, 1000) == {}
    assert node.start(HERE) == {"energy_a": 1000}
    assert node.start(THERE) == {}
    assert node.start(THERE) == {}  # it has never counted there
    assert node.start(THERE, 1350) == {}
    assert node.start(THERE) == {"energy_a": 1350}
    assert node.start(HERE) == {}  # nobody knows what has been there meanwhile


def test_no_more_packs_are_decoded_than_the_newest_counts_need():
    """A start reads them of every meter, and nobody is polled meanwhile."""
    node = Node()
    for count in range(1000, 1030):
        node.start(HERE, count)
    taken = []

    class PackJournal:
        head = node.journal.head

        def last(self, count):
            for stored in node.journal.last(count):
                taken.append(stored)
                yield stored

    memory = MeterState(files(), node.path, "m", PackJournal())
    memory.settle(HERE, 31)
    assert memory.counts([ENERGY]) == ({"energy_a": 1029}, set())
    assert len(taken) <= 2


def test_what_was_held_back_behind_the_last_good_count_is_known_and_what_was_before_it_is_not():
    node = Node()
    node.start(HERE, 9000, "too high, not confirmed")
    node.start(HERE, 2000)
    memory = MeterState(files(), node.path, "m", node.journal)
    memory.settle(HERE, 3)
    assert memory.counts([ENERGY]) == ({"energy_a": 2000}, set())
    node.start(HERE, 9000, "too high, not confirmed")
    assert memory.counts([ENERGY]) == ({"energy_a": 2000}, {"energy_a"})


def test_a_torn_place_is_none():
    node = Node()
    node.start(HERE, 1000)
    with open(node.path + "/place-m", "wb") as file:
        file.write(HERE)
    assert node.start(HERE) == {}


def test_what_changes_a_count_changes_what_it_belongs_to():
    more = [More(2, 0, (), ()), More(2, 0, (), (ENERGY,))]
    others = [ENERGY, field(address=2), field(factor=72), field(function=3), field(more=more[0]), field(more=more[1])]
    found = [belonging(1, 1, "1 meter", [other]) for other in others]
    found += [belonging(unit, part, name, [ENERGY]) for unit, part, name in ((2, 1, "a"), (1, 2, "a"), (1, 1, "b"))]
    assert len(set(found)) == 9
    # Neither what counts as no value nor what is read beside it.
    assert belonging(1, 1, "1 meter", [field(missing=(1, 2)), field("voltage", "V")]) == HERE
