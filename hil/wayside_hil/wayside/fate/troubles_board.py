"""Troubles of the board itself: its supply, its console, its crystal and its flash."""

from random import Random

from .gateway import NS
from .node import MS, FateNode, Steps
from .troubles_lines import Tell

_FILL = """
import os
try: os.mkdir('/fill')
except OSError: pass
for size in (65536, 4096, 256):
    while True:
        path = '/fill/%d' % len(os.listdir('/fill'))
        try:
            with open(path, 'wb') as file:
                for _ in range(size // 256): file.write(bytes(256))
        except OSError: break
print('full')
"""
_EMPTY = """
import os
for name in os.listdir('/fill'): os.remove('/fill/' + name)
os.rmdir('/fill')
"""
_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"


def power_cuts(node: FateNode, random: Random, tell: Tell) -> Steps:
    spans = [random.choice((30, 400, 3000, 9000, 40_000)) for _ in range(random.randrange(1, 6))]
    tell(f"the supply fails {len(spans)} times, up to {max(spans) / 1000} s apart")
    for span in spans:
        node.board.cut_power(node.board.now + random.randrange(span * MS))
        yield span * MS
        node.board.restore_power(node.board.now + random.choice((1, 20, 3000)) * MS)
        yield 3100 * MS


def power_cuts_in_flash(node: FateNode, random: Random, tell: Tell) -> Steps:
    cuts = [(random.randrange(20), random.randrange(45 * MS)) for _ in range(random.randrange(1, 5))]
    tell(f"the supply fails inside of {len(cuts)} operations of the flash: {cuts}")
    for skip, after in cuts:
        node.board.cut_power_in_flash(skip, after if random.random() < 0.5 else after % 400_000)
        yield random.choice((20, 120)) * NS
        node.board.restore_power()
        yield 100 * MS
    node.board.cut_power_in_flash(10**9, 0)


def dips_of_the_supply(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.randrange(1, 15)
    tell(f"{count} dips of the supply")
    for _ in range(count):
        node.supply.dip(random.choice((1500, 1750, 1850, 2500)), random.randrange(1, 400) * MS)
        yield random.randrange(500, 20_000) * MS
    node.supply.go_to(5000)
    yield 50 * MS


def a_slow_slope_of_the_supply(node: FateNode, random: Random, tell: Tell) -> Steps:
    down, up = random.randrange(10, 3000), random.randrange(10, 3000)
    tell(f"the supply goes down within {down} ms and comes back within {up} ms")
    node.supply.go_to(random.choice((0, 1700, 1820)), within_ns=down * MS)
    yield (down + random.randrange(2000)) * MS
    node.supply.go_to(5000, within_ns=up * MS)
    yield (up + 10) * MS


def ctrl_c(node: FateNode, random: Random, tell: Tell) -> Steps:
    count = random.choice((1, 1, 2, 5, 30))
    tell(f"{count} times Ctrl-C at the console")
    for _ in range(count):
        node.type(_CTRL_C)
        yield random.choice((1, 30, 700, 20_000)) * MS


def ctrl_c_while_it_starts(node: FateNode, random: Random, tell: Tell) -> Steps:
    after = random.choice((random.randrange(20, 600), random.randrange(20, 5000)))
    tell(f"Ctrl-C {after} ms after power-up")
    node.board.cut_power()
    node.board.restore_power(node.board.now + 100 * MS)
    yield (100 + after) * MS
    node.type(_CTRL_C)
    yield random.choice((1, 5000)) * MS


def spam_at_the_console(node: FateNode, random: Random, tell: Tell) -> Steps:
    count, words = random.randrange(5, 60), random.random() < 0.5
    tell(f"{count} times {'words' if words else 'bytes'} without sense at the console")
    for _ in range(count):
        size = random.randrange(1, 400)
        node.type(bytes(random.choices(b"abcxyz019 .,:=()'\r\n", k=size)) if words else random.randbytes(size))
        yield random.choice((1, 50, 3000)) * MS


def keys_at_the_console(node: FateNode, random: Random, tell: Tell) -> Steps:
    keys = random.choices((_CTRL_A, _CTRL_B, _CTRL_C, _CTRL_D, _CTRL_E, b"\r", b"1/0\r", b"help()\r"), k=8)
    tell(f"keys at the console: {b''.join(keys)!r}")
    for key in keys:
        node.type(key)
        yield random.choice((5, 300, 4000, 30_000)) * MS


def a_loop_without_end_at_the_prompt(node: FateNode, random: Random, tell: Tell) -> Steps:
    tell("Ctrl-C, and a loop without end typed at the prompt")
    node.type(_CTRL_C)
    yield 500 * MS
    # Ten minutes in which the processor never sleeps take half an hour of ours, or three beside other work.
    node.type(b"while True: pass\r\r" if random.random() < 0.01 else b"import time\rtime.sleep(1000000)\r")
    yield 2 * NS


def a_terminal_that_does_not_read(node: FateNode, random: Random, tell: Tell) -> Steps:
    hours, restart = node.hours(random, 24), random.random() < 0.5
    tell(f"for {hours:.1f} h a terminal is connected and reads nothing{'; the board starts again' if restart else ''}")
    node.board.set_usb_reads(False)
    if restart:
        node.board.cut_power()
        node.board.restore_power(node.board.now + 100 * MS)
    yield from node.for_long(round(hours * 3600 * NS))
    node.board.set_usb_reads(True)


def a_wrong_crystal(node: FateNode, random: Random, tell: Tell) -> Steps:
    ppm, seconds = random.choice((20, -20, 200, -200, 5000, -5000, 20000, -20000)), round(node.hours(random, 24) * 3600)
    tell(f"the crystal is wrong by {ppm} ppm for {seconds} s")
    node.board.set_crystal(ppm)
    yield from node.for_long(seconds * NS)
    node.board.set_crystal(0)


def flipped_bits_in_the_journal(node: FateNode, random: Random, tell: Tell) -> Steps:
    node.gateway.absent, away = True, random.random() < 0.7
    yield (random.choice((40, 200)) * NS) if away else 0
    packs = node.packs_in_flash()
    node.note_durable()
    count = min(random.choice((1, 1, 1, 4, 12)), len(packs))
    off = random.random() < 0.5
    tell(f"{count} bits turn over in {len(packs)} packs of the journal, the supply {'off' if off else 'on'}")
    if off:
        node.board.cut_power()
        yield 10 * MS
    for offset, size, *_ in random.sample(packs, count):
        node.board.flip(offset + random.randrange(size), 1 << random.randrange(8))
    node.gateway.absent = False
    if off or random.random() < 0.5:
        node.board.cut_power()
        yield 10 * MS
        node.board.restore_power(node.board.now + 500 * MS)
        yield 600 * MS


def flash_that_others_fill(node: FateNode, random: Random, tell: Tell) -> Steps:
    restart, seconds = random.choice(("none", "soft", "power")), random.randrange(30, 300)
    tell(f"the flash is filled to the last byte by files for {seconds} s; restart: {restart}")
    for code in (_FILL, _EMPTY):
        node.type(_CTRL_C + _CTRL_C)
        yield 1 * NS
        node.type(_CTRL_A)
        yield 1 * NS
        for begin in range(0, len(code), 64):
            node.type(code[begin : begin + 64].encode())
            yield 20 * MS
        node.type(_CTRL_D)
        yield 200 * NS
        node.type(_CTRL_B)
        yield 1 * NS
        if restart == "soft":
            node.type(_CTRL_D)
        elif restart == "power":
            node.board.cut_power()
            node.board.restore_power(node.board.now + 100 * MS)
        if code is _FILL:
            yield seconds * NS


ALL = (
    power_cuts,
    power_cuts_in_flash,
    dips_of_the_supply,
    a_slow_slope_of_the_supply,
    ctrl_c,
    ctrl_c_while_it_starts,
    spam_at_the_console,
    keys_at_the_console,
    a_loop_without_end_at_the_prompt,
    a_terminal_that_does_not_read,
    a_wrong_crystal,
    flipped_bits_in_the_journal,
    flash_that_others_fill,
)
