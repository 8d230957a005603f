"""Troubles by words: commands hostile and silly, configurations that lock out, clocks that say nonsense."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from wayside.trust.keys import SoftwareKey
from wayside_wire import command, link
from wayside_wire.pack import key_id
from wayside_wire.statement import sign_statement

from .gateway import NS
from .node import MS, FateNode, Steps
from .troubles_lines import Tell

_STRANGER = SoftwareKey(bytes(range(9, 41)))
_LARGE = (0, 1, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**64 - 1)
_YEAR_MS = 31_557_600_000
_MOVED_MS = (-60 * _YEAR_MS, -2 * _YEAR_MS, -3_600_000, -5000, 3000, 86_400_000, _YEAR_MS, 20 * _YEAR_MS)


def hostile_commands(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(10, 80)
    tell(f"{count} commands of a wrong key, for another node, of nonsense, and old ones again")
    old: list[bytes] = []
    for _ in range(count):
        kind = random.randrange(5)
        if kind == 0 or (kind == 1 and not old):
            raw = random.randbytes(random.randrange(1, 700))
        elif kind == 1:
            raw = random.choice(old)
        elif kind == 2:
            its = command.Command(key_id(node.gateway.public), random.choice(_LARGE), command.REBOOT, [])
            raw = command.sign_command(its, key_id(_STRANGER.public), _STRANGER.sign)
        elif kind == 3:
            its = command.Command(random.randbytes(8), random.choice(_LARGE), command.REBOOT, [])
            raw = command.sign_command(its, key_id(node.gateway._key.public), node.gateway._key.sign)
        else:
            raw = node.gateway.next_command(command.INFO, [])[1]
            old.append(raw)
        node.gateway.send(link.CommandMessage(raw))
        yield random.choice((10, 100, 1500)) * MS


def commands_with_extreme_numbers(node: FateNode, random: Random, tell: Tell) -> Steps:
    wanted: list[tuple[str, list[Any]]] = []
    for _ in range(random.randrange(3, 10)):
        number = random.choice(_LARGE)
        wanted += random.choices(
            (
                (command.CONFIG_READ, [number]),
                (command.LOG, [number]),
                (command.CONFIG_WRITE, [number, random.randbytes(random.randrange(600))]),
                (command.CONFIG_USE, [number, random.randbytes(random.choice((0, 1, 32, 500)))]),
            )
        )
    tell(f"commands of the gateway with extreme numbers: {[(verb, its[0]) for verb, its in wanted]}")
    for verb, arguments in wanted:
        yield from node.command(verb, *arguments, patience_s=10)


def commands_that_are_none(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(3, 12)
    tell(f"{count} signed commands with wrong verbs, arguments and types")
    key = node.gateway._key
    for _ in range(count):
        number = node.gateway.next_command(command.INFO, [])[0]
        verb = random.choice(("", "info", "format", "x" * 300, "reboot", "config use", 7, None))
        arguments: Any = random.choice(([], [1], [-1], [[[]]] * 9, {}, None, ["x"], [2**64 - 1, b"", b""]))
        fields = (key_id(node.gateway.public), random.choice((number, -1, "1", None)), verb, arguments)
        node.gateway.send(
            link.CommandMessage(sign_statement(command.CONTENT_TYPE, key_id(key.public), fields, key.sign))
        )
        yield random.choice((50, 1000)) * MS


def many_restarts_by_command(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(1, 6)
    tell(f"{count} times the command reboot")
    for _ in range(count):
        yield from node.command(command.REBOOT, patience_s=20)
        yield random.choice((100, 3000)) * MS


Silly = Callable[[dict[str, Any]], Any]


def _meters(count: int) -> Silly:
    def change(config: dict[str, Any]) -> None:
        first = config["meters"][0]
        config["meters"] = [first | {"device": f"meter-{unit}", "unit": unit} for unit in range(1, count + 1)]

    return change


def _top(**values: Any) -> Silly:
    def change(config: dict[str, Any]) -> None:
        for key, value in values.items():
            if value is None:
                config.pop(key, None)
            else:
                config[key] = value

    return change


def _meter(**values: Any) -> Silly:
    return lambda config: config["meters"][0].update(values)


_SENSOR = {"device": "site", "list": [{"kind": "scd41", "port": "i2c9"}]}
SILLY: dict[str, Silly] = {
    "40 meters": _meters(40),
    "20 meters": _meters(20),
    "6 meters": _meters(6),
    "another state": _top(state="/other"),
    "state that is a file": _top(state="/node.json"),
    "no gateway": _top(gateway=None),
    "another gateway": _top(gateway=_STRANGER.public.hex()),
    "a link port that does not exist": _top(link={"port": "link9"}),
    "the link at another baud": _top(link={"port": "link", "baud": 9600}),
    "the link over a network that is not there": _top(link={"mqtt": "mqtt://10.0.0.1:1883", "topic": "w/a/nodes/b"}),
    "the bus on a port that does not exist": _meter(port="rs486"),
    "the bus at another baud": _meter(baud=19200),
    "link and bus exchanged": lambda config: (_top(link={"port": "rs485"})(config), _meter(port="link")(config)),
    "a sensor on a port that does not exist": _top(sensors=_SENSOR),
    "a sensor that is not there": _top(sensors={"device": "site", "list": [{"kind": "scd41", "port": "i2c"}]}),
    "a short watchdog": _top(watchdog_ms=4000),
    "the largest journal": _top(journal_bytes=1 << 30),
    "the shortest trial": _top(trial_ms=1000),
    "polls without a pause": _meter(poll_ms=20, report_ms=20),
    "a poll a day": _meter(poll_ms=86_400_000, report_ms=86_400_000),
    "another unit": _meter(unit=77),
    "the meter with another name": _meter(device="meter-other"),
    "an answer time of 10 ms": _meter(timeout_ms=10, quiet_ms=10),
}
_NOT_EVEN: dict[str, bytes] = {
    "no JSON": b"{" * 50,
    "lists in lists": b"[" * 3000 + b"]" * 3000,
    "a number without end": b'{"node": ' + b"9" * 5000 + b"}",
    "nothing": b"",
    "a text that is no UTF-8": b'{"node": "\xff\xfe"}',
    "30 kB of spaces": b" " * 30_000,
}


def a_silly_configuration(node: FateNode, random: Random, tell: Tell) -> Steps:
    name = random.choice((*SILLY, *_NOT_EVEN))
    obliging = random.random() < 0.7
    tell(f"a configuration by command: {name}; under it the gateway {'commands' if obliging else 'says nothing'}")
    if name in SILLY:
        config = json.loads(json.dumps(node.config))
        SILLY[name](config)
        content = json.dumps(config, separators=(",", ":")).encode()
    else:
        content = _NOT_EVEN[name]
    node.note_durable()
    node.gateway.obliging = obliging
    said = yield from node.write_config(content)
    tell(f"{name}, {len(content)} bytes: {said}")
    if said == "done":
        yield from node.command(command.REBOOT, patience_s=20)
        yield random.choice((10, 100)) * NS
        if random.random() < 0.3:
            node.board.cut_power()
            node.board.restore_power(node.board.now + 100 * MS)
            yield 20 * NS
    node.gateway.obliging = True


def a_clock_that_says_nonsense(node: FateNode, random: Random, tell: Tell) -> Steps:
    moved = random.choice((*_MOVED_MS, None))
    quality, seconds = random.choice((0, 1, 2, 2)), round(node.hours(random, 48) * 3600)
    what = "anything" if moved is None else f"{moved / 1000} s beside the truth"
    tell(f"for {seconds} s the gateway's clock says {what}, worth {quality}")
    gateway = node.gateway
    gateway.time_quality = quality
    for _ in range(10):
        gateway.utc_moved_ms = random.randrange(-50 * _YEAR_MS, 100 * _YEAR_MS) if moved is None else moved
        yield from node.for_long(seconds * NS // 10)
    gateway.utc_moved_ms, gateway.time_quality = 0, 2


ALL = (
    hostile_commands,
    commands_with_extreme_numbers,
    commands_that_are_none,
    many_restarts_by_command,
    a_silly_configuration,
    a_silly_configuration,
    a_silly_configuration,
    a_clock_that_says_nonsense,
)
