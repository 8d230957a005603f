"""A new configuration is on trial: it stays when the gateway commands under it, else the one before it comes back."""

import json

from fakes import Time, files, flush, nothing, scratch
from power import MODES, CutFiles, PowerCut
from test_node_config import good
from test_node_management import fails, plain, put, stored, text
from wayside_node import seal
from wayside_node.config_store import ConfigStore
from wayside_node.config_trial import ConfigTrial
from wayside_node.files import Files


def tried(old, new, disk=None):
    """A store with `new` put in force over `old`, before any start."""
    path, _ = stored(old)
    store = ConfigStore(disk or files(), path, tried=True)
    store.begin(nothing)
    put(store, new)
    return path, store


class Trial:
    """A trial of a store that has begun; `resets` counts."""

    def __init__(self, store, trial_ms=5000):
        self.time = Time()
        self.said = []
        self.obeyed = False
        self.resets = 0
        self.trial = ConfigTrial(store, trial_ms, lambda: self.obeyed, self.time.clock(), self.said.append, self.reset)

    def reset(self):
        self.resets += 1


def begun(path, said=None, disk=None):
    """The name of the node that starts now."""
    store = ConfigStore(disk or files(), path, tried=True)
    return store.begin(nothing if said is None else said.append).node


def test_a_configuration_under_which_the_gateway_commands_stays():
    path, store = tried(text(), text(node="node-2"))
    assert store.begin(print).node == "node-2" and store.trying
    bench = Trial(store)
    bench.time.advance(4000)
    bench.trial.look()
    assert not bench.trial.is_won()
    bench.obeyed = True
    assert bench.trial.is_won()
    bench.trial.keep()
    assert not store.on_trial() and not bench.trial.is_won()
    bench.time.advance(10000)
    bench.trial.look()
    bench.trial.failed("whatever comes later")
    assert bench.resets == 0
    assert begun(path) == "node-2"
    assert bench.said == ["the new configuration is kept"]


def test_a_configuration_that_does_not_gives_way_to_the_one_before_and_the_node_says_so():
    path, store = tried(text(), text(node="node-2"))
    store.begin(print)
    bench = Trial(store)
    bench.time.advance(5000)
    bench.trial.look()
    assert bench.resets == 1
    assert plain(path) == text(node="node-2"), "only a new start goes back"
    said = []
    assert begun(path, said) == "node-1"
    assert "the gateway commanded nothing" in said[0] and said[1].endswith(".failed")
    said.clear()
    assert begun(path, said) == "node-1" and said[0].endswith(".failed")
    assert plain(path + ".failed") == text(node="node-2")
    put(store, text(node="node-3"))
    said.clear()
    assert begun(path, said) == "node-3" and said == []


def test_another_one_before_the_verdict_does_not_become_what_is_gone_back_to():
    path, store = tried(text(), text(node="node-2"))
    put(store, text(node="node-3"))
    assert [begun(path) for _ in range(4)] == ["node-3"] * 3 + ["node-1"]


def test_a_configuration_that_ends_every_start_is_tried_three_times_and_its_reasons_are_told():
    path, _ = tried(text(), text(node="node-2"))
    for number in range(3):
        store = ConfigStore(files(), path, tried=True)
        assert store.begin(print).node == "node-2"
        bench = Trial(store)
        bench.trial.failed("task link: MemoryError: %d\n" % number)
        assert bench.resets == 1
    said = []
    assert begun(path, said) == "node-1"
    assert [line[-2:] for line in said[:3]] == ["0?", "1?", "2?"] and "task link: MemoryError" in said[0]
    assert begun(path) == "node-1"


def test_a_reset_needs_neither_memory_nor_flash_nor_anybody_to_tell():
    class Poor(Files):
        def append(self, path):
            raise MemoryError

    for disk in (Poor(flush, nothing), Full(flush, nothing)):
        path, store = tried(text(), text(node="node-2"))
        store.begin(print)
        poor = ConfigStore(disk, path, tried=True)
        poor.trying = True
        bench = Trial(poor)
        bench.said = None  # its append fails, too
        bench.trial.failed("x")
        bench.time.advance(5000)
        bench.trial.look()
        assert bench.resets == 2
        assert [begun(path) for _ in range(3)] == ["node-2", "node-2", "node-1"]


def test_a_start_that_cannot_be_counted_is_made_with_the_one_before():
    path, _ = tried(text(), text(node="node-2"))
    said = []
    store = ConfigStore(Full(flush, nothing), path, tried=True)
    assert store.begin(said.append).node == "node-1" and not store.trying
    assert "cannot be noted" in said[0]
    assert not Trial(store).trial.on, "what is done now proves nothing of the other one"
    assert begun(path) == "node-2"


def test_what_would_lock_the_gateway_out_is_refused_from_afar():
    path, store = stored(text())
    store = ConfigStore(files(), path, tried=True)
    store.begin(print)
    for key, value in (("gateway", "22" * 32), ("state", "elsewhere")):
        assert fails(put, store, text(**{key: value})).startswith(key)
    data = good()
    del data["gateway"]
    assert "gateway" in fails(put, store, json.dumps(data).encode())
    assert plain(path) == text() and not store.on_trial()
    put(store, text(gateway=good()["gateway"].upper(), node="node-2"))
    assert begun(path) == "node-2"


def test_a_mark_counts_for_its_own_configuration_only():
    path, store = tried(text(), text(node="node-2"))
    files().replace(path, text(node="node-3"))  # a technician's, at the console
    assert [begun(path) for _ in range(5)] == ["node-3"] * 5
    assert not store.on_trial() and not files().exists(path + ".trial")


def test_nothing_to_go_back_to_leaves_what_there_is():
    for before in (None, b"{}"):
        path, _ = tried(text(), text(node="node-2"))
        files().remove(path + ".old")
        if before:
            files().replace(path + ".old", before)
        assert [begun(path) for _ in range(5)] == ["node-2"] * 5


def test_the_first_configuration_and_the_same_one_again_are_not_on_trial():
    path, store = stored(text())
    store = ConfigStore(files(), path, tried=True)
    put(store, text())
    assert not store.on_trial()
    files().remove(path)
    files().remove(path + ".old")
    put(store, text(node="node-2"))
    assert not store.on_trial()
    assert begun(path) == "node-2"


def test_a_verdict_that_the_flash_does_not_take_is_tried_again_later():
    path, store = tried(text(), text(node="node-2"))
    store.begin(print)
    full = ConfigStore(Full(flush, nothing), path, tried=True)
    full.trying = True
    full.proved = False
    bench = Trial(full)
    bench.obeyed = True
    bench.trial.keep()
    assert "cannot be noted" in bench.said[-1] and bench.trial.on
    assert not bench.trial.is_won()
    bench.time.advance(60000)
    bench.trial.look()
    assert bench.trial.is_won() and bench.resets == 0


# --- damage ---


def flipped(path, step):
    """Yields the number of a bit of a file once it is turned over, of every so many; at last the file is put back."""
    good = files().read(path)
    for bit in range(0, 8 * len(good), step):
        bad = bytearray(good)
        bad[bit >> 3] ^= 1 << (bit & 7)
        files().replace(path, bad)
        yield bit
    files().replace(path, good)


def settings(path):
    return ConfigStore(files(), path, tried=True).begin(nothing)


def copied(path):
    return files().read(path) == files().read(path + ".old")


def test_a_bit_that_is_turned_over_changes_nothing_and_there_are_two_again():
    for end in ("", ".old"):
        path, _ = stored(text())
        wanted = settings(path)
        for bit in flipped(path + end, 97):
            assert settings(path) == wanted, bit
            assert copied(path) and settings(path) == wanted, bit
            assert files().exists(path + ".failed") == (end == "")


def test_every_bit_of_the_seal_and_before_it_counts():
    path, _ = stored(text())
    sealed = files().read(path)
    for bit in range(8 * (len(sealed) - seal.SIZE - 4), 8 * len(sealed)):
        bad = bytearray(sealed)
        bad[bit >> 3] ^= 1 << (bit & 7)
        try:
            assert seal.strip(bytes(bad)) == bad, "taken for a right one"
            json.loads(bytes(bad).decode())
            raise AssertionError(bit)
        except (seal.SpoiltFile, ValueError):
            pass


def test_a_new_one_over_one_that_is_damaged_or_gone_goes_back_to_what_has_proved_itself():
    for gone in (False, True):
        for running in (False, True):
            path, store = stored(text())
            if gone:
                files().remove(path)
            else:
                files().replace(path, files().read(path).replace(b'"port"', b'"pord"'))
            if not running:
                store = ConfigStore(files(), path, tried=True)
                store.begin(nothing)
            store = ConfigStore(files(), path, tried=True) if running else store
            put(store, text(node="node-2"))
            assert [begun(path) for _ in range(5)] == ["node-2"] * 3 + ["node-1"] * 2, (gone, running)
            assert copied(path)


def test_a_bit_that_is_turned_over_in_the_mark_does_not_keep_what_has_not_proved_itself():
    for starts in range(4):
        path, store = tried(text(), text(node="node-2"))
        for _ in range(starts):
            settings(path)
        store.note("why")
        mark = files().read(path + ".trial")
        for bit in range(starts, 8 * len(mark), 3):
            bad = bytearray(mark)
            bad[bit >> 3] ^= 1 << (bit & 7)
            path, _ = tried(text(), text(node="node-2"))
            files().replace(path + ".trial", bad)
            assert [begun(path) for _ in range(5)][-1] == "node-1", bit


def test_one_on_trial_that_is_damaged_goes_back():
    path, _ = tried(text(), text(node="node-2"))
    files().replace(path, files().read(path).replace(b"node-2", b"node-3"))
    for _ in range(3):
        store = ConfigStore(files(), path, tried=True)
        assert "check sum" in fails(store.begin, nothing) and store.trying
    assert begun(path) == "node-1"


def test_one_that_is_changed_in_its_place_is_not_taken_and_the_node_says_what_to_do():
    path, _ = stored(text())
    files().replace(path, files().read(path).replace(b"node-1", b"node-2"))
    said = []
    assert begun(path, said) == "node-1"
    assert "without blanks at its end" in said[0]
    assert b"node-2" in files().read(path + ".failed")


def test_a_technicians_file_is_taken_and_gone_back_to_only_when_a_command_was_done_under_it():
    path, _ = stored(text())
    files().replace(path, text(node="node-2"))
    store = ConfigStore(files(), path, tried=True)
    assert store.begin(nothing).node == "node-2" and not store.trying
    bench = Trial(store)
    bench.time.advance(6000)
    bench.trial.look()
    bench.trial.failed("a task")
    assert bench.trial.asks and not bench.trial.is_won() and bench.resets == 0
    assert plain(path + ".old") == text() and plain(path) == text(node="node-2") and not copied(path)
    bench.obeyed = True
    assert bench.trial.is_won()
    bench.trial.keep()
    assert not bench.trial.asks and copied(path) and begun(path) == "node-2"


def test_a_technicians_file_is_sealed_and_copied_whatever_cuts_the_power():
    for mode in MODES:
        budget = 0
        while True:
            path = scratch("config") + "/node.json"
            files().replace(path, text())
            disk = CutFiles(budget, mode)
            try:
                assert begun(path, disk=disk) == "node-1"
                break
            except PowerCut:
                pass
            said = []
            assert begun(path, said) == "node-1" and said == []
            assert copied(path) and files().read(path) != text()
            budget += 47
        assert budget > 600


def test_flash_without_room_for_a_second_copy_does_not_keep_a_node_from_starting():
    class NoRoom(Files):
        def create(self, path):
            raise OSError(28)

    path = scratch("config") + "/node.json"
    files().replace(path, text())
    said = []
    assert begun(path, said, NoRoom(flush, nothing)) == "node-1"
    assert "28" in said[0] and files().read(path) == text()


def test_what_no_board_can_read_gives_way_too():
    for bad in (b"[" * 20000, b'{"a":' * 3000, b'{{"a": 1}: 2}', b"", bytes(700), b"\xff" * 700):
        path, _ = stored(text())
        files().replace(path, bad)
        said = []
        assert begun(path, said) == "node-1" and said, bad[:8]


class Full(Files):
    """Flash that takes nothing more."""

    def append(self, path):
        raise OSError(28)

    def remove(self, path):
        raise OSError(28)


def cut(budget, mode, step):
    """(path, whether the power failed) after a new configuration was put, and step(path, disk) cut short."""
    path, _ = tried(text(), text(node="node-2"))
    try:
        step(path, CutFiles(budget, mode))
        return path, False
    except PowerCut:
        return path, True


def at_any_byte(step, check, stride=1):
    """check(path) after step(path, disk) was cut at any byte and name, and after it was not cut."""
    for mode in MODES:
        budget = 0
        was_cut = True
        while was_cut:
            path, was_cut = cut(budget, mode, step)
            check(path)
            budget += stride
        assert budget > stride


def ends_with_the_one_before(path):
    """Whatever was cut: at most so many starts later the one before runs, and the failed one never comes back."""
    nodes = [begun(path) for _ in range(5)]
    assert nodes[-2:] == ["node-1"] * 2, nodes
    assert "node-2" not in nodes[nodes.index("node-1") :]


def test_a_start_cut_at_any_byte_still_ends_with_the_one_before():
    at_any_byte(lambda path, disk: begun(path, disk=disk), ends_with_the_one_before)


def test_a_failure_noted_and_cut_at_any_byte_still_ends_with_the_one_before():
    def step(path, disk):
        store = ConfigStore(disk, path, tried=True)
        store.begin(nothing)
        store.note("why")

    at_any_byte(step, ends_with_the_one_before)


def test_a_trial_lost_and_cut_at_any_byte_goes_back():
    def step(path, disk):
        store = ConfigStore(disk, path, tried=True)
        store.begin(nothing)
        store.lose("why")

    at_any_byte(step, ends_with_the_one_before)


def test_going_back_cut_at_any_byte_goes_on_with_the_next_start():
    def step(path, disk):
        for _ in range(3):
            begun(path)
        begun(path, disk=disk)

    def check(path):
        assert [begun(path) for _ in range(2)] == ["node-1"] * 2

    at_any_byte(step, check, 31)


def test_a_verdict_cut_at_any_byte_is_one_of_the_two():
    def step(path, disk):
        store = ConfigStore(disk, path, tried=True)
        store.begin(nothing)
        store.keep()

    def check(path):
        store = ConfigStore(files(), path, tried=True)
        assert store.begin(nothing).node == "node-2"
        if store.trying:
            store.keep()
        assert [begun(path) for _ in range(4)] == ["node-2"] * 4

    at_any_byte(step, check, 31)


def test_a_new_one_cut_at_any_byte_of_being_put_in_force_is_on_trial_or_not_there():
    for mode in MODES:
        budget = 0
        while True:
            path, _ = stored(text())
            store = ConfigStore(CutFiles(budget, mode), path, tried=True)
            try:
                put(store, text(node="node-2"))
                break
            except PowerCut:
                pass
            nodes = [begun(path) for _ in range(5)]
            assert nodes in (["node-1"] * 5, ["node-2"] * 3 + ["node-1"] * 2), nodes
            budget += 29
