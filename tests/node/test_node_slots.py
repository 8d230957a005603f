"""Which application is started: counted before it runs, kept when it runs well, never without one that can be."""

import os

from fakes import files, scratch
from power import MODES, CutFiles, PowerCut
from wayside_node.slots import Slots

OWN = ""


class Board:
    """A file system with two slots; each choose() is a start."""

    def __init__(self):
        self.top = scratch("board")
        self.a = self.top + "/a"
        self.b = self.top + "/b"
        for root in (self.a, self.b):
            os.mkdir(root)

    def slots(self, disk=None):
        return Slots(disk or files(), self.top + "/slots", (self.a, self.b))

    def choose(self):
        return self.slots().choose()

    def starts(self, count):
        return [self.choose() for _ in range(count)]


def test_without_a_record_the_image_has_its_way():
    assert Board().starts(2) == [OWN, OWN]


def test_a_new_application_has_three_starts():
    board = Board()
    board.slots().install(board.a)
    assert board.starts(5) == [board.a] * 3 + [OWN] * 2


def test_a_kept_one_is_the_way_back():
    board = Board()
    board.slots().install(board.a)
    assert board.choose() == board.a
    board.slots().keep(board.a)
    assert not board.slots().on_trial(board.a)
    board.slots().install(board.b)
    assert board.slots().on_trial(board.b) and not board.slots().on_trial(board.a)
    assert board.starts(4) == [board.b] * 3 + [board.a]
    board.slots().keep(board.a)
    assert board.starts(11) == [board.a] * 10 + [OWN]


def test_what_runs_well_is_started_for_ever():
    board = Board()
    board.slots().install(board.b)
    for _ in range(50):
        assert board.choose() == board.b
        board.slots().keep(board.b)


def test_a_slot_whose_folder_is_gone_is_passed_over():
    board = Board()
    board.slots().install(board.a)
    board.slots().install(board.b)
    os.rmdir(board.b)
    assert board.starts(4) == [board.a] * 3 + [OWN]
    with open(board.b, "wb"):
        pass
    assert board.choose() == OWN


def test_a_start_that_cannot_be_counted_is_the_images_own():
    board = Board()
    board.slots().install(board.a)

    class Full(type(files())):
        def write(self, file, data):
            raise OSError(28)

    disk = Full(lambda file: file.flush(), lambda path: None)
    assert [board.slots(disk).choose() for _ in range(3)] == [OWN] * 3
    assert board.starts(4) == [board.a] * 3 + [OWN]


def test_a_spoilt_copy_costs_nothing_and_two_cost_the_slots():
    board = Board()
    board.slots().install(board.a)
    for copy in ("0", "1"):
        name = board.top + "/slots." + copy
        data = files().read(name)
        files().replace(name, data[:6] + b"\xff" + data[7:])
        assert board.choose() == board.a
    for copy in ("0", "1"):
        files().replace(board.top + "/slots." + copy, b"")
    assert board.choose() == OWN


def budgets(action):
    """Bytes and names that it takes: every place where the power can fail in it."""
    disk = CutFiles(1 << 20, MODES[0])
    action(disk)
    return range((1 << 20) - disk.budget)


def cuts(prepare, action, check):
    """Cut the power at every byte and name of action(board, disk) after prepare(board); then check(board)."""

    def prepared():
        board = Board()
        prepare(board)
        return board

    first = prepared()
    for budget in budgets(lambda disk: action(first, disk)):
        for mode in MODES:
            board = prepared()
            try:
                action(board, CutFiles(budget, mode))
                raise AssertionError("no cut")
            except PowerCut:
                check(board)


def test_power_cuts_never_give_a_broken_one_more_starts():
    def prepare(board):
        board.slots().install(board.a)

    def check(board):
        starts = board.starts(5)
        used = starts.count(board.a)
        assert 2 <= used <= 3 and starts == [board.a] * used + [OWN] * (5 - used), starts

    cuts(prepare, lambda board, disk: board.slots(disk).choose(), check)


def test_power_cuts_while_one_is_installed_leave_the_one_before_or_it():
    def prepare(board):
        board.slots().install(board.a)
        board.choose()
        board.slots().keep(board.a)

    def check(board):
        starts = board.starts(4)
        assert starts in ([board.a] * 4, [board.b] * 3 + [board.a]), starts

    cuts(prepare, lambda board, disk: board.slots(disk).install(board.b), check)


def test_power_cuts_while_one_is_kept_leave_it_kept_or_on_trial():
    def prepare(board):
        board.slots().install(board.a)
        assert board.choose() == board.a

    def check(board):
        trial = board.slots().on_trial(board.a)
        assert board.starts(3) == ([board.a] * 2 + [OWN] if trial else [board.a] * 3)

    cuts(prepare, lambda board, disk: board.slots(disk).keep(board.a), check)
