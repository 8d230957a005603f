"""What the gateway commands is done once and by nobody else's word; a new configuration is whole or not there."""

import hashlib
import json

from fakes import Time, files, scratch
from power import MODES, CutFiles, PowerCut
from test_node_config import good
from wayside_node import BUILT_MS, SERVICE_MS, seal
from wayside_node.config import ConfigError
from wayside_node.config_store import ConfigStore, load_or_fall_back
from wayside_node.counters import Counters
from wayside_node.manager import Manager
from wayside_node.report_log import ReportLog
from wayside_wire import cbor, command, selftest
from wayside_wire.pack import key_id
from wayside_wire.statement import sign_statement

GATEWAY = bytes(range(32))
NODE = b"NODE-KID"


def sign(message):
    return hashlib.sha256(GATEWAY + message).digest() * 2


def verify(public, message, signature):
    return signature == hashlib.sha256(public + message).digest() * 2


def commanded(number, verb=command.INFO, arguments=(), node=NODE, gateway=GATEWAY, by=sign):
    return command.sign_command(command.Command(node, number, verb, list(arguments)), key_id(gateway), by)


class Bench:
    def __init__(self, gateway=GATEWAY, disk=None, path=None):
        self.path = path or scratch("state")
        self.counters = Counters(disk or files(), self.path + "/counters")
        if path is None:
            self.counters.create()
        self.counters.load()
        self.done = []
        verbs = {command.INFO: self.info, command.LOG: self.log, command.REBOOT: self.full, command.COUNTERS: self.big}
        self.manager = Manager(NODE, gateway, verify, self.counters, verbs)

    def info(self):
        self.done.append("info")
        return {0: len(self.done)}

    def log(self, first):
        self.done.append(first)
        return [first]

    def full(self):
        raise OSError(28)

    def big(self):
        return bytes(2000)

    def answer(self, *arguments, **more):
        return self.manager.answer(commanded(*arguments, **more))


def test_a_command_is_done_and_answered():
    bench = Bench()
    answer = bench.answer(7)
    assert (answer.number, answer.status, cbor.decode(answer.data)) == (7, command.OK, {0: 1})
    assert cbor.decode(bench.answer(8, command.LOG, [3]).data) == [3]
    assert bench.done == ["info", 3]


def test_the_same_bytes_again_get_the_same_answer_and_do_nothing():
    bench = Bench()
    assert bench.answer(7) == bench.answer(7)
    assert bench.done == ["info"]
    assert bench.manager.counts["commands repeated"] == 1


def test_an_old_number_is_refused_also_after_a_restart():
    bench = Bench()
    bench.answer(7)
    bench.answer(9)
    assert bench.answer(7).status == command.REPLAYED
    again = Bench(path=bench.path)
    assert again.answer(9).status == command.REPLAYED
    assert again.answer(10).status == command.OK


def test_only_the_gateway_commands_and_only_this_node():
    bench = Bench()
    cases = (
        commanded(1, node=b"OTHERKID"),
        commanded(1, gateway=bytes(32)),
        commanded(1, by=lambda message: bytes(64)),
        b"\xff\x00",
        b"",
    )
    for raw in cases:
        answer = bench.manager.answer(raw)
        assert (answer.number, answer.status) == (0, command.REFUSED), raw
    assert Bench(gateway=None).answer(1).status == command.REFUSED
    assert bench.done == [] and bench.counters.command == 0


def test_what_fails_is_said():
    bench = Bench()
    answer = bench.answer(1, command.REBOOT)
    assert answer.status == command.FAILED and answer.data.startswith(b"the flash refuses")
    assert bench.answer(3, command.COUNTERS).status == command.FAILED  # more than an answer holds


def test_a_cut_at_any_byte_never_lets_a_command_be_done_twice():
    for mode in MODES:
        budget = 0
        while True:
            path = scratch("state")
            Counters(files(), path + "/counters").create()
            bench = Bench(disk=CutFiles(budget, mode), path=path)
            try:
                for number in range(1, 5):
                    bench.answer(number)
                assert budget > 100, "never cut"
                break
            except PowerCut:
                pass
            after = Bench(path=path)
            for number in range(1, len(bench.done) + 1):
                assert after.answer(number).status == command.REPLAYED
            budget += 1


def raw_command(*fields):
    """Signed by the gateway, whatever is in it."""
    return sign_statement(command.CONTENT_TYPE, key_id(GATEWAY), list(fields), sign)


HOSTILE = (0, 1, 1 << 31, (1 << 64) - 1, -1, True, None, "", "x" * 200, b"", bytes(200), [], [[]], {}, {1: [2]})


def test_nothing_in_a_command_raises():
    bench = Bench()
    seen = set()
    number = 0
    for value in HOSTILE:
        commands = [(value, 5000, command.INFO, []), (NODE, value, command.INFO, []), (value,), (value,) * 4, ()]
        for verb in list(command.VERBS) + [value]:
            for arguments in ([], [value], [value, value], value):
                number += 1
                commands.append((NODE, number, verb, arguments))
        for fields in commands:
            seen.add(bench.manager.answer(raw_command(*fields)).status)
    assert seen <= {command.OK, command.REFUSED, command.FAILED, command.REPLAYED}
    assert bench.answer(1 << 32).status == command.OK


def test_a_number_after_which_no_command_would_count_is_refused():
    bench = Bench()
    for number in (BUILT_MS + SERVICE_MS, (1 << 63) - 1, (1 << 64) - 1):
        assert bench.answer(number).status == command.REFUSED
    assert bench.answer(BUILT_MS).status == command.OK


def test_whatever_a_verb_raises_is_its_answer():
    for error in (ValueError("x"), OverflowError(), TypeError(), KeyError(1), MemoryError(), OSError(28)):
        bench = Bench()

        def raises(first, error=error):
            raise error

        bench.manager._verbs[command.LOG] = raises
        assert bench.answer(1, command.LOG, [0]).status == command.FAILED
        assert bench.answer(2).status == command.OK


def test_no_number_reads_or_writes_beyond_the_configuration():
    _, store = stored(text())
    for number in (len(text()), 1 << 15, 1 << 30, 1 << 32, (1 << 64) - 1):
        assert store.read(number, 640)[2] == b""
        fails(store.write, number, b"x")
        fails(store.use, number, bytes(32))


# --- the configuration ---


def text(**changes):
    data = good()
    data.update(changes)
    return json.dumps(data).encode()


def put(store, data, piece=640):
    for start in range(0, len(data), piece):
        store.write(start, data[start : start + piece])
    store.use(len(data), hashlib.sha256(data).digest())


def fails(function, *arguments):
    try:
        function(*arguments)
    except ConfigError as error:
        return str(error)
    raise AssertionError("accepted")


def stored(old=None, disk=None):
    """A store that a node was started from, when there is an old one."""
    path = scratch("config") + "/node.json"
    if old is not None:
        files().replace(path, old)
        ConfigStore(files(), path).begin(print)
    store = ConfigStore(disk or files(), path)
    if old is not None:
        store.begin(print)
    return path, store


def plain(path):
    """What a file says, without its seal."""
    return seal.strip(files().read(path))


def test_a_new_configuration_comes_in_pieces_and_the_old_one_is_kept():
    old, new = text(), text(node="node-2")
    path, store = stored(old)
    put(store, new, 100)
    assert plain(path) == new and files().read(path) != new
    assert plain(path + ".old") == old
    size, digest, piece = store.read(10, 20)
    assert (size, digest, piece) == (len(new), hashlib.sha256(new).digest(), new[10:30])
    store.use(len(new), hashlib.sha256(new).digest())  # asked again


def test_a_wrong_configuration_changes_nothing():
    old = text()
    path, store = stored(old)
    assert "JSON" in fails(put, store, b"\xff\xff")
    assert "node" in fails(put, store, text(node=""))
    assert "begin again" in fails(store.write, 5000, b"x")
    assert "at most" in fails(store.write, 32768, b"x")
    assert "not what was meant" in fails(store.use, 1, bytes(32))
    assert plain(path) == old


def test_one_of_the_two_configurations_is_whole_after_a_cut_at_any_byte():
    old, new = text(), text(node="node-2")
    for mode in MODES:
        budget = 0
        while True:
            path, store = stored(old, CutFiles(budget, mode))
            try:
                put(store, new)
                break
            except PowerCut:
                pass
            assert load_or_fall_back(path, print).node in ("node-1", "node-2")
            budget += 7


def test_a_spoilt_configuration_falls_back_to_the_one_before():
    path, store = stored(text())
    put(store, text(node="node-2"))
    files().replace(path, b"\xff\xff")
    said = []
    assert load_or_fall_back(path, said.append).node == "node-1"
    assert "before it" in said[0]
    files().replace(path + ".old", b"{}")
    assert "node.json" in fails(load_or_fall_back, path, said.append)


# --- what the node has to say ---


def test_the_last_lines_are_kept_with_their_numbers():
    said = []
    time = Time(at_ms=1500)
    log = ReportLog(time.ticks_ms, said.append)
    assert log.read(0, 800) == (0, 0, [])
    for number in range(40):
        log("line %d" % number)
    assert len(said) == 40
    first, following, lines = log.read(0, 100)
    assert (first, following, lines[0]) == (8, 40, "1.500 line 8")
    assert sum([len(line) + 3 for line in lines]) <= 100
    assert log.read(39, 800) == (39, 40, ["1.500 line 39"])
    assert log.read(1000, 800) == (40, 40, [])


def test_a_signed_report_is_opened_by_whom_it_is_for():
    checks = [selftest.SelfTestCheck("memory", True, "fine"), selftest.SelfTestCheck("radio", None, "none")]
    report = selftest.SelfTestReport(bytes(16), "TEST", "wayside-node", 3, checks)
    kid = key_id(GATEWAY)

    def check(found, message, signature):
        return found == kid and verify(GATEWAY, message, signature)

    raw = selftest.sign_report(report, kid, sign)
    assert selftest.open_report(raw, check) == (report, kid)
    for boot, wrong in ((3, []), (3, [("a", 1, "b")]), (-1, checks)):
        try:
            selftest.sign_report(selftest.SelfTestReport(b"", "TEST", "wayside-node", boot, wrong), kid, sign)
            raise AssertionError("signed")
        except ValueError:
            pass
