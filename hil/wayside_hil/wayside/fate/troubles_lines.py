"""Troubles on the lines: noise, strangers, gateways that are away or too many, meters that are dead, late or mad."""

from collections.abc import Callable
from random import Random

from wayside.trust.keys import SoftwareKey
from wayside_wire import frame, link, modbus

from ..gateway import KEY
from .gateway import NS, FateGateway, noisy
from .node import MS, FateNode, Steps

Trouble = Callable[[FateNode, Random], Steps]
Tell = Callable[[str], None]

_PIECE_NS = 100 * MS
_LINK_BAUD = 115200
_BOOT_LOG = (
    b"[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\r\n"
    b"[    1.203145] mmc0: new high speed SDHC card at address aaaa\r\n\x00\x00"
    b"Raspberry Pi reboot... \xff\xfe\x00 raspberrypi login: "
)


def boot_log(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds = random.randrange(2, 20)
    tell(f"{seconds} s of a Raspberry Pi's boot log on the link")
    for _ in range(seconds * 10):
        begin = random.randrange(len(_BOOT_LOG))
        node.board.send_uart(0, (_BOOT_LOG * 7)[begin : begin + random.randrange(1, 800)], _LINK_BAUD)
        yield _PIECE_NS


def bytes_without_end_on_the_link(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds, value = random.choice((2, 6, 12, 20)), random.choice((0x00, 0x00, 0x00, 0xFF, 0x55, None))
    tell(f"{seconds} s of {'noise' if value is None else hex(value)} on the link, byte behind byte")
    for _ in range(seconds * 10):
        size = _LINK_BAUD // 100
        node.board.send_uart(0, random.randbytes(size) if value is None else bytes((value,)) * size, _LINK_BAUD)
        yield _PIECE_NS


def bursts_on_the_link(node: FateNode, random: Random, tell: Tell) -> Steps:
    count, baud = random.randrange(5, 60), random.choice((_LINK_BAUD, _LINK_BAUD, 9600, 57600, 230400))
    tell(f"{count} bursts of noise on the link at {baud} Bd")
    for _ in range(count):
        node.board.send_uart(0, random.randbytes(random.randrange(1, 1200)), baud)
        yield random.randrange(1, 5000) * MS


def a_link_that_spoils(node: FateNode, random: Random, tell: Tell) -> Steps:
    up, down, seconds = random.choice((30, 200, 2000)), random.choice((30, 200, 2000)), random.randrange(30, 300)
    tell(f"for {seconds} s one byte in {up} up and one in {down} down comes as another")
    spoil = noisy(random, down)
    node.gateway.spoil_heard = noisy(random, up)
    node.gateway.spoil_said = lambda data: bytes(map(spoil, data))
    yield seconds * NS
    node.gateway.spoil_heard = lambda value: value
    node.gateway.spoil_said = lambda data: data


def strangers_frames(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(20, 200)
    tell(f"{count} whole frames of a stranger on the link: old ones again, and made up ones")
    for _ in range(count):
        node.board.send_uart(0, _strange(node, random), _LINK_BAUD)
        yield random.randrange(5, 2000) * MS


def _strange(node: FateNode, random: Random) -> bytes:
    kind = random.randrange(7)
    if kind == 0 and node.gateway.said:
        return random.choice(node.gateway.said)
    if kind == 1 and node.gateway.heard_frames:
        return frame.encode(random.choice(node.gateway.heard_frames))
    octets = random.randbytes
    messages = (
        link.Welcome(octets(random.randrange(400))),
        link.Sealed(octets(8), random.randrange(2**64), octets(random.randrange(900)), octets(8)),
        link.Hello(link.VERSION, octets(8), octets(32)),
        link.Error(link.NO_SESSION, "no session"),
        link.Confirm(octets(random.randrange(400))),
    )
    return frame.encode(link.encode(random.choice(messages)) if kind < 6 else octets(random.randrange(1, 1000)))


def two_gateways(node: FateNode, random: Random, tell: Tell) -> Steps:
    clone, seconds = random.random() < 0.5, random.randrange(20, 200)
    tell(f"for {seconds} s a second gateway on the link, {'with the same key' if clone else 'of another site'}")
    other = FateGateway(node.board, 0, KEY if clone else SoftwareKey(bytes(range(7, 39))), seed=random.randrange(2**32))
    other.public, other.obliging = node.gateway.public, False
    node.world.plugs.append(other)
    yield seconds * NS
    node.world.plugs.remove(other)
    for device, chain in other.chains.items():  # what it has acknowledged is in a log, too
        mine = node.gateway.chains.get(device)
        if mine is not None:
            mine.late.update(chain.raw)


def the_gateway_is_away(node: FateNode, random: Random, tell: Tell) -> Steps:
    hours = node.hours(random, 72)
    tell(f"the gateway is away for {hours:.1f} h")
    node.gateway.deaf = True
    yield from node.for_long(round(hours * 3600 * NS))
    node.gateway.deaf = False
    node.gateway.restart()


def the_gateway_says_nothing(node: FateNode, random: Random, tell: Tell) -> Steps:
    hours = node.hours(random, 24)
    tell(f"the gateway hears and says nothing for {hours:.1f} h")
    node.gateway.absent = True
    yield from node.for_long(round(hours * 3600 * NS))
    node.gateway.absent = False


def the_gateway_starts_again(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(1, 12)
    tell(f"the gateway starts again {count} times")
    for _ in range(count):
        node.gateway.restart()
        yield random.randrange(100, 60_000) * MS


def a_meter_that_is_dead(node: FateNode, random: Random, tell: Tell) -> Steps:
    hours = node.hours(random, 24)
    tell(f"the meter is dead for {hours:.1f} h")
    node.line.mute = True
    yield from node.for_long(round(hours * 3600 * NS))
    node.line.mute = False


def answers_that_are_spoilt(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds, how = random.randrange(60, 300), random.choice(("bits", "cut", "doubled", "longer", "another's"))
    tell(f"for {seconds} s the meter's answers are spoilt: {how}")

    def spoil(data: bytes) -> bytes:
        if how == "cut":
            return data[: random.randrange(len(data))]
        if how == "doubled":
            return data + data
        if how == "longer":
            return data + random.randbytes(random.randrange(1, 300))
        if how == "another's":
            return modbus.rtu_frame(bytes((random.randrange(1, 248),)) + data[1:-2])
        place = random.randrange(len(data))
        return data[:place] + bytes((data[place] ^ 1 << random.randrange(8),)) + data[place + 1 :]

    node.line.spoil = spoil
    yield seconds * NS
    node.line.spoil = lambda data: data


def a_meter_that_is_late(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds, late_ms = random.randrange(60, 300), random.randrange(300, 4000)
    tell(f"for {seconds} s the meter answers {late_ms} ms late")
    before, node.line._turnaround_ns = node.line._turnaround_ns, late_ms * MS
    yield seconds * NS
    node.line._turnaround_ns = before


def a_meter_that_refuses(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds, code = random.randrange(60, 300), random.randrange(1, 12)
    tell(f"for {seconds} s the meter answers with exception {code}")
    before = node.answer
    node.answer = lambda body: bytes((body[0], body[1] | 0x80, code))
    yield seconds * NS
    node.answer = before


def a_line_that_is_never_idle(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds, value = random.choice((5, 15, 70, 130)), random.choice((0x00, 0xFF, 0x55, None, None))
    tell(f"{seconds} s of {'noise' if value is None else hex(value)} on the RS-485 line, byte behind byte")
    for _ in range(seconds * 10):
        node.line.talk(random.randbytes(96) if value is None else bytes((value,)) * 96)
        yield _PIECE_NS


def bursts_on_the_bus(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(5, 80)
    tell(f"{count} bursts of noise on the RS-485 line")
    for _ in range(count):
        node.line.talk(random.randbytes(random.randrange(1, 60)))
        yield random.randrange(1, 5000) * MS


def a_second_master(node: FateNode, random: Random, tell: Tell) -> Steps:
    seconds = random.randrange(5, 60)
    tell(f"a second master on the RS-485 line for {seconds} s")
    node.second_master.present = True
    yield seconds * NS
    node.second_master.present = False


ALL = (
    boot_log,
    bytes_without_end_on_the_link,
    bursts_on_the_link,
    a_link_that_spoils,
    strangers_frames,
    two_gateways,
    the_gateway_is_away,
    the_gateway_says_nothing,
    the_gateway_starts_again,
    a_meter_that_is_dead,
    answers_that_are_spoilt,
    a_meter_that_is_late,
    a_meter_that_refuses,
    a_line_that_is_never_idle,
    bursts_on_the_bus,
    a_second_master,
)
