"""A node that nobody hears starts again, ever more seldom, and takes nothing along that is not in flash."""

import asyncio
import errno

from fakes import MemoryFiles, NodeKeys, Port, Time
from test_node_config import good
from wayside_node.app import Node
from wayside_node.config import check
from wayside_node.config_store import ConfigStore
from wayside_node.last_resort import LastResort

H = 3600000
D = 24 * H


class Bench:
    """Ever new starts of a node, of which the flash stays. `restarts`: when."""

    def __init__(self):
        self.time = Time()
        self.flash = MemoryFiles()
        self.restarts = []
        self.said = []
        self.start()

    def start(self):
        self.resort = LastResort(self.flash, "/state/restarts", self.time.clock(), self.said.append, self.reset)

    def reset(self):
        self.restarts.append(self.time.at_ms)
        self.start()

    def go(self, until_ms, each=lambda: None, step_ms=H // 60):
        while self.time.at_ms < until_ms:
            self.time.advance(step_ms)
            each()
            self.resort.look()
            if self.resort.keep_is_due():
                self.resort.keep()


def hours(times):
    return [round((after - before) / H) for before, after in zip([0] + times, times)]


def test_restarts_come_ever_more_seldom_and_once_a_day_at_last():
    bench = Bench()
    bench.go(8 * D)
    assert hours(bench.restarts) == [2, 4, 8, 16, 24, 24, 24, 24, 24, 24]


def test_a_node_that_is_heard_does_not_start_again():
    bench = Bench()
    bench.go(3 * D, lambda: bench.resort.served())
    assert not bench.restarts and not bench.flash.contents


def test_once_it_was_heard_the_series_begins_anew_and_a_power_cut_does_not_bring_it_back():
    bench = Bench()
    bench.go(20 * H)
    assert hours(bench.restarts) == [2, 4, 8]
    bench.resort.served()
    bench.go(20 * H + H // 60)
    before = bench.flash.contents
    bench.start()
    bench.go(23 * H)
    assert len(bench.restarts) == 4 and bench.flash.contents == before


def test_what_holds_it_puts_it_off_but_for_a_day_at_most():
    bench = Bench()
    bench.resort.is_held = lambda: bench.time.at_ms < 5 * H
    bench.go(6 * H)
    assert hours(bench.restarts) == [5]
    bench = Bench()
    bench.resort.is_held = lambda: True
    bench.go(25 * H)
    assert hours(bench.restarts) == [24]


def test_what_flash_does_not_take_is_not_left_behind():
    bench = Bench()
    refuses = [True]
    bench.resort.is_closed = lambda: not refuses[0]
    bench.go(5 * H)
    assert not bench.restarts and not bench.resort.closing
    assert len([text for text in bench.said if "flash does not take" in text]) == 3
    refuses[0] = False
    bench.go(7 * H)
    assert len(bench.restarts) == 1


def test_a_restart_that_cannot_be_counted_comes_once_a_day():
    class Full(MemoryFiles):
        def replace(self, path, data):
            raise OSError(28)

    bench = Bench()
    bench.flash = Full()
    bench.start()
    bench.go(3 * D + 6 * H)
    assert len(bench.restarts) == 3 and min(hours(bench.restarts)) >= 24


def test_an_end_that_cannot_be_kept_is_tried_again_in_an_hour():
    bench = Bench()
    bench.go(3 * H)
    bench.resort.served()
    tries = []

    def refuses(path, data):
        tries.append(path)
        raise OSError(28)

    replace, bench.flash.replace = bench.flash.replace, refuses
    bench.go(6 * H, lambda: bench.resort.served())
    assert len(tries) == 3
    bench.flash.replace = replace
    bench.go(8 * H, lambda: bench.resort.served())
    assert not bench.resort.keep_is_due() and len(bench.restarts) == 1


def test_no_memory_for_its_look_costs_nobody_anything():
    def raises():
        raise MemoryError

    bench = Bench()
    bench.resort.is_held = raises
    bench.go(10 * H)
    assert not bench.restarts


def test_a_node_of_which_nobody_hears_for_long_as_a_rule_waits_for_long():
    bench = Bench()
    bench.resort.usual_ms = lambda: 2 * D
    bench.go(47 * H)
    assert not bench.restarts
    bench.go(49 * H)
    assert len(bench.restarts) == 1


# --- the whole node ---


class Board:
    """A meter that does not answer, and a gateway that says nothing."""

    NAME = "UNIX"

    def __init__(self):
        self.starts_again = False

    def trial(self):
        return None

    def urandom(self, size):
        return b"u" * size

    def driver(self, port):
        return None

    def busy(self, span_ms):
        pass

    def watchdog(self, timeout_ms):
        return lambda: None

    def open_uart(self, port, baud, parity):
        return Port()

    def open_station(self):
        raise OSError(0x0101, "Wifi Internal Error")  # ESP_ERR_NO_MEM, in the words of MicroPython's port

    def name_servers(self):
        raise OSError(errno.ENOMEM)

    def reset(self):
        self.starts_again = True


class LongTime(Time):
    """Nobody waits for less than a tenth of a second: hours of a node in a second of a test."""

    async def sleep_ms(self, ms):
        await super().sleep_ms(max(100, ms))


def run(flash, hours, spoil=None, link=None):
    """Hours of a node until its board starts again; (the node, that hour or None)."""
    board = Board()
    time = LongTime()
    data = good()
    data["journal_bytes"] = 1 << 20
    data["meters"][0]["poll_ms"] = 240000
    data["meters"][0]["report_ms"] = 1500000
    data["link"] = link or data["link"]
    said = []
    clock = time.clock()
    store = ConfigStore(flash, "/node.json")
    node = Node(check(data), board, NodeKeys, clock, flash, lambda limit: limit // 2, said.append, store)
    if spoil:
        spoil(node)

    async def main():
        task = asyncio.create_task(node.run())
        while not board.starts_again and time.at_ms < hours * H:
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    asyncio.run(main())
    return node, time.at_ms / H if board.starts_again else None


def seconds(journal):
    """Times of the last reading of each pack in a journal."""
    from wayside_wire.pack import open_pack

    position, found = journal.first, []
    while True:
        stored = journal.read(position)
        if stored is None:
            return found
        pack, _ = open_pack(stored.raw, lambda *given: True)
        found.append(max([reading.time_ms for reading in pack.readings]) // 1000)
        position = stored.end


def test_a_node_without_a_session_starts_again_and_keeps_every_poll():
    flash = MemoryFiles()
    node, hour = run(flash, 3)
    assert hour is not None and 2 <= hour < 2.1
    (task,) = node.tasks["/dev/ttyS1"]
    assert task.is_closed()
    # Reports come every 25 minutes; the last one is of the last poll all the same.
    assert hour * 3600 - 300 < seconds(task.journal)[-1] <= hour * 3600
    again, hour = run(flash, 5)
    assert hour is not None and 4 <= hour < 4.1
    assert again.boot == node.boot + 1
    sent = seconds(again.tasks["/dev/ttyS1"][0].journal)
    assert len(sent) >= 4 + 1 + 9


def test_a_network_without_memory_comes_to_an_end():
    flash = MemoryFiles()
    flash.replace("/wifi.json", b'{"ssid": "yard", "password": ""}')
    node, hour = run(flash, 3, link={"mqtt": "mqtt://broker.example", "topic": "wayside/s/nodes/n"})
    assert hour is not None and 2 <= hour < 2.1
    assert not [name for name, count in node.supervisor.restarts.items() if count and "bus" not in name]


def test_a_node_whose_gateway_acknowledges_goes_on():
    _, hour = run(MemoryFiles(), 3, _serve)
    assert hour is None


def _serve(node):
    """As if the gateway had acknowledged something at each look of the manager."""
    manager = node.management.counters_due

    def look():
        node.link.on_served()
        return manager()

    node.management.counters_due = look


def test_while_an_application_is_on_trial_it_stays():
    class Pending:
        @staticmethod
        def is_pending():
            return True

        @staticmethod
        def is_due():
            return False

    def pend(node):
        node._trial = Pending

    _, hour = run(MemoryFiles(), 3, pend)
    assert hour is None


def test_while_flash_refuses_it_goes_on_polling_and_stays():
    class Full(MemoryFiles):
        full = False

        def write(self, file, data):
            if self.full and "journal" in file.path:
                raise OSError(28)
            super().write(file, data)

    flash = Full()

    def fill(node):
        flash.full = True

    node, hour = run(flash, 3, fill)
    assert hour is None
    (task,) = node.tasks["/dev/ttyS1"]
    assert task.packer.busy and node.storage_errors > 5
