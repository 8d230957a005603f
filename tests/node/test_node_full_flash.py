"""A node starts on a flash that is full of packs, whoever's they are; those of devices that are gone give way first."""

import asyncio
from asyncio import Lock

from fakes import Keys, MemoryFiles, NodeKeys, Time
from test_node_config import good
from wayside_node.app import FlashGate, Node
from wayside_node.config import check
from wayside_node.config_store import ConfigStore
from wayside_node.journal import PackJournal
from wayside_node.keys import open_identity

LIMIT = 16384


class SmallFlash(MemoryFiles):
    """So many bytes; a directory takes some as well."""

    def __init__(self):
        super().__init__()
        self.directories = set()
        self.room = 1 << 30

    def used(self):
        return 200 * len(self.directories) + sum([len(data) for data in self.contents.values()])

    def _take(self, size):
        if self.used() + size > self.room:
            raise OSError(28, "no room")

    def write(self, file, data):
        self._take(len(data))
        super().write(file, data)

    def replace(self, path, data):
        self._take(max(0, len(data) - len(self.contents.get(path, b""))) + 1)  # written beside the old one
        super().replace(path, data)

    def rename(self, path, to):
        self.contents[to] = self.contents.pop(path)

    def make_directory(self, path):
        if path not in self.directories:
            self._take(200)
            self.directories.add(path)

    def names(self, path):
        below = [name for name in list(self.contents) + list(self.directories) if name.startswith(path + "/")]
        return sorted({name[len(path) + 1 :].split("/")[0] for name in below})

    def read_or_empty(self, path):
        return self.read(path)


class Silent:
    def readinto(self, buffer):
        return None

    def write(self, data):
        return len(data)


class Board:
    NAME = "UNIX"

    @staticmethod
    def urandom(size):
        return b"u" * size

    @staticmethod
    def driver(port):
        return None

    def __init__(self):
        self.said = []  # in the order of the calls

    def busy(self, span_ms):
        self.said.append(span_ms)

    def open_uart(self, port, baud, parity):
        return Silent()

    def watchdog(self, timeout_ms):
        self.said.append("watchdog")
        return lambda: self.said.append("fed")

    @staticmethod
    def trial():
        return None

    @staticmethod
    def reset():
        raise AssertionError("reset")


def fill(flash, device, packs):
    journal = PackJournal(flash, "/state/journal/" + device, LIMIT)
    for sequence in range(packs):
        journal.append_pack(1, sequence, bytes(300))
    journal.close()


def flash_with(packs):
    """Full to the last byte; packs: device -> how many."""
    flash = SmallFlash()
    open_identity(flash, "/state", Keys, Board.urandom)
    for device, count in packs.items():
        fill(flash, device, count)
    flash.room = flash.used()
    return flash


def start(flash, time=None):
    """The node with `meter-1` only, and what it said."""
    said = []
    data = good()
    data["journal_bytes"] = LIMIT
    store = ConfigStore(flash, "/node.json")
    node = Node(check(data), Board(), NodeKeys, (time or Time()).clock(), flash, lambda limit: 0, said.append, store)
    return node, said


def test_packs_of_a_device_that_is_gone_give_way_to_a_start():
    flash = flash_with({"meter-1": 5, "meter-9": 40})
    node, said = start(flash)
    assert node.boot == 2 and "packs of meter-9" in said[0]
    assert node.tasks["/dev/ttyS1"][0].journal.dropped == 0
    assert node.orphans.counts["orphan packs dropped"] > 0


def test_a_renamed_device_finds_room_for_a_folder_of_its_own():
    flash = flash_with({"meter-8": 40, "meter-9": 40})
    node, _ = start(flash)
    assert node.boot == 1 and "/state/journal/meter-1" in flash.directories
    assert node.orphans.counts["orphan packs dropped"] > 0


def test_without_such_devices_its_own_oldest_packs_give_way():
    flash = flash_with({"meter-1": 40})
    node, _ = start(flash)
    (task,) = node.tasks["/dev/ttyS1"]
    assert node.boot == 2 and 0 < task.journal.dropped < 40 and not node.orphans.counts


def test_a_copy_of_the_counters_that_flash_refuses_ends_no_start_and_is_told():
    """On a flash that is full as well."""
    flash = flash_with({"meter-1": 5, "meter-9": 40})
    replace = flash.replace

    def refusing(path, data):
        if path == "/state/counters.1":
            raise OSError(5)
        replace(path, data)

    flash.replace = refusing
    for boot in (2, 3):
        flash.refusals = {}  # the board has started again
        node, said = start(flash)
        assert node.boot == boot
        assert [text for text in said if "counters.1 cannot be written" in text]
        assert node.management.counters()["files that flash refuses"] == 1


def test_the_watchdog_waits_for_no_start_however_many_journals_are_full():
    """Ten of them took longer than its eight seconds at every power-up, for ever."""
    node, _ = start(flash_with({"meter-1": 40}))
    assert node.board.said == 2 * [30000]  # its journal, and what is read of it

    async def some_time():
        task = asyncio.create_task(node.run())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(some_time())
    assert node.board.said[2] == "watchdog"


def test_while_the_gate_is_closed_the_board_feeds_its_watchdog_whatever_happens_behind_it():
    """With the shortest one, a second, no large configuration could be used: it was bitten in the middle, for ever."""
    said = []

    async def fails():
        async with FlashGate([Lock()], said.append):
            assert said == [30000]
            raise OSError(28)

    try:
        asyncio.run(fails())
    except OSError:
        pass
    assert said == [30000, 0]


def test_what_a_device_that_is_gone_has_left_is_opened_with_the_board_feeding():
    """3250 packs of one took eleven seconds to be opened: at each start, for ever."""
    said = []
    try:
        FlashGate([Lock()], said.append).do(lambda: said.append("step") or {}["not there"])
    except KeyError:
        pass
    assert said == [30000, "step", 0]
    node, _ = start(flash_with({"meter-1": 5, "meter-9": 40}))
    node.orphans.step = lambda: said.append(list(node.board.said))

    async def some_time():
        task = asyncio.create_task(node.run())
        while len(said) < 4:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(some_time())
    assert said[3][-1] == 30000


def test_polls_that_are_always_due_and_wait_for_nothing_let_the_others_work():
    """Every 20 ms of a meter that is silent, and asked seldom for that: nobody fed, and the board started again."""
    time = Time()
    node, _ = start(flash_with({"meter-1": 40}), time)
    (task,) = node.tasks["/dev/ttyS1"]
    polls = []

    async def poll():
        time.advance(30)
        polls.append(time.at_ms)
        if len(polls) == 200:
            raise AssertionError("nobody else had a turn")

    task.poll = poll
    task.next_poll = 0

    async def some_time():
        running = asyncio.create_task(node.run())
        while node.board.said.count("fed") < 3 and len(polls) < 199:
            await asyncio.sleep(0)
        running.cancel()

    asyncio.run(some_time())
    assert node.board.said.count("fed") == 3


def test_a_flash_that_takes_nothing_at_all_is_an_error():
    flash = flash_with({"meter-1": 40, "meter-9": 40})
    flash.room = 0
    try:
        start(flash)
    except OSError:
        return
    raise AssertionError("started")
