"""A new configuration is on trial: it stays when the gateway commands under it, else the one before it comes back."""

from fakes import Time, files, flush, nothing
from power import MODES, CutFiles, PowerCut
from test_node_management import put, stored, text
from wayside_node.config_store import ConfigStore
from wayside_node.config_trial import ConfigTrial
from wayside_node.files import Files


def tried(old, new, disk=None):
    """A store with `new` put in force over `old`, before any start."""
    path, store = stored(old, disk)
    store = ConfigStore(disk or files(), path, tried=True)
    put(store, new)
    return path, store


def test_a_configuration_under_which_the_gateway_commands_stays():
    path, store = tried(text(), text(node="node-2"))
    said = []
    assert store.begin(said.append).node == "node-2" and store.on_trial()
    time = Time()
    obeyed = []
    trial = ConfigTrial(store, 5000, lambda: obeyed, time.clock(), said.append)
    time.advance(4000)
    assert not trial.is_due()
    obeyed.append(True)
    assert trial.is_due() and not trial.judge()
    assert not store.on_trial() and not trial.is_due()
    time.advance(10000)
    assert not trial.is_due()
    assert ConfigStore(files(), path, tried=True).begin(said.append).node == "node-2"
    assert said == ["the gateway commands: the new configuration is kept"]


def test_a_configuration_that_does_not_gives_way_to_the_one_before_and_the_node_says_so():
    path, store = tried(text(), text(node="node-2"))
    said = []
    store.begin(said.append)
    time = Time()
    trial = ConfigTrial(store, 5000, bool, time.clock(), said.append)
    time.advance(5000)
    assert trial.is_due() and trial.judge(), "the board has to start again"
    for _ in range(2):
        said.clear()
        assert ConfigStore(files(), path, tried=True).begin(said.append).node == "node-1"
        assert "the gateway commanded nothing" in said[0] and said[0].endswith(".failed")
    assert files().read(path + ".failed") == text(node="node-2")
    put(store, text(node="node-3"))
    said.clear()
    assert store.begin(said.append).node == "node-3" and said == []


def test_another_one_before_the_verdict_does_not_become_what_is_gone_back_to():
    path, store = tried(text(), text(node="node-2"))
    put(store, text(node="node-3"))
    assert store.begin(print).node == "node-3"
    store.go_back()
    assert ConfigStore(files(), path, tried=True).begin(nothing).node == "node-1"


def test_a_configuration_that_ends_every_start_is_tried_three_times():
    path, _ = tried(text(), text(node="node-2"))
    nodes = [ConfigStore(files(), path, tried=True).begin(print).node for _ in range(5)]
    assert nodes == ["node-2"] * 3 + ["node-1"] * 2


def test_the_first_configuration_and_the_same_one_again_are_not_on_trial():
    path, store = stored(text())
    store = ConfigStore(files(), path, tried=True)
    put(store, text())
    assert not store.on_trial()
    files().remove(path)
    put(store, text(node="node-2"))
    assert not store.on_trial()


def test_a_verdict_that_the_flash_does_not_take_is_tried_again_later():
    path, store = tried(text(), text(node="node-2"))
    said, time = [], Time()
    store.begin(said.append)
    full = ConfigStore(Full(), path, tried=True)
    trial = ConfigTrial(full, 5000, bool, time.clock(), said.append)
    time.advance(5000)
    assert not trial.judge() and "cannot be noted" in said[-1]
    assert not trial.is_due()
    time.advance(60000)
    assert trial.is_due()


class Full(Files):
    def __init__(self):
        super().__init__(flush, nothing)

    def rename(self, path, to):
        raise OSError(28)


def test_a_trial_cut_at_any_byte_ends_with_one_of_the_two_and_a_failed_one_never_comes_back():
    old, new = text(), text(node="node-2")
    for mode in MODES:
        budget = cuts = 0
        while True:
            path, _ = stored(old)
            put(ConfigStore(files(), path, tried=True), new)
            disk = CutFiles(budget, mode)
            try:
                store = ConfigStore(disk, path, tried=True)
                store.begin(nothing)
                store.go_back()
                break
            except PowerCut:
                cuts += 1
            after = ConfigStore(files(), path, tried=True)
            taken_back = files().read(path + ".failed") is not None
            config = after.begin(nothing)
            assert config.node == ("node-1" if taken_back or not after.on_trial() else "node-2")
            if after.on_trial():
                after.go_back()
            assert ConfigStore(files(), path, tried=True).begin(nothing).node == "node-1"
            budget += 1
        assert cuts > 5
