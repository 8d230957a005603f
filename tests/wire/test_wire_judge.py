"""The judge's rules, on both interpreters: pictures of lamps in, the first complaint out."""

from wayside_wire import signal_matrix
from wayside_wire.signal_frames import AMBER, DARK, FLASH, GREEN, RED
from wayside_wire.signal_judge import FieldCheck, Judge

MATRIX = signal_matrix.parse("""wayside-signal-matrix/v2
junction High Street
version 1
channel 1 main vehicle 3000 1000 amber
channel 2 side vehicle 3000 0 red
channel 3 walk pedestrian dark
channel 4 - unused
compatible 1 3
clearance 1 2 5000
clearance 2 1 6000
clearance 2 3 5000
clearance 3 2 9000
""")
LAMPS = {
    "R": RED, "A": AMBER, "G": GREEN, "X": RED | AMBER, "r": RED | FLASH, "a": AMBER | FLASH, "-": DARK,
    "D": RED | GREEN, "E": AMBER | GREEN, "g": GREEN | FLASH,
}  # fmt: skip
FLASHING = "ar-R"


def judge(steps, **limits):
    """(time in ms, complaint) when the first one came, None when none did; `steps`: (ms, lamps), seen every 20 ms."""
    seen = Judge(MATRIX, **limits)
    now = 0
    for lasting_ms, letters in steps:
        lamps = bytes([LAMPS[letter] for letter in letters])
        for _ in range(lasting_ms // 20):
            reason = seen.see(now, lamps)
            if reason:
                return now, reason
            now += 20
    return None


def begin(*steps):
    """From flash and all red on, with the main road's green at 8 s."""
    return [(1000, FLASHING), (6000, "RRRR"), (1000, "XRRR")] + list(steps)


def complains(reason, at_ms, steps, **limits):
    found = judge(steps, **limits)
    assert found and found[1].startswith(reason) and found[0] == at_ms, found


CYCLE = [
    (10000, "GRGR"), (5000, "GRrR"), (3000, "ARRR"), (6000, "RRRR"),
    (8000, "RGRR"), (3000, "RARR"), (2000, "RRRR"), (1000, "XRRR"),
]  # fmt: skip


def test_a_right_cycle_is_let_be():
    assert judge(begin(*CYCLE, *CYCLE, (5000, "GRGR"), (5000, FLASHING), (6000, "RRRR"), *CYCLE)) is None
    assert judge(begin(*CYCLE, *CYCLE), conflict_ms=0, dark_ms=0) is None


def test_conflict():
    for lamps in ("GGRR", "AGRR", "GARR", "RGGR", "gGRR"):
        found = judge(begin((5000, "GRRR"), (2000, lamps)))
        assert found and found[0] >= 13000 and found[0] <= 13300, found
    complains("CONFLICT: channel 1 (main) and channel 2 (side)", 13300, begin((5000, "GRRR"), (2000, "GERR")))
    assert judge(begin((5000, "GRRR"), (280, "GERR"), (1000, "GRRR"))) is None
    complains("DUAL", 13000, begin((5000, "GRRR"), (2000, "DRRR")), conflict_ms=0)


def test_red_fail():
    complains("RED_FAIL: channel 2", 8800, begin((1000, "G-RR")))
    assert judge(begin((780, "G-RR"), (1000, "GRRR"))) is None
    complains("RED_FAIL: channel 4", 8800, begin((1000, "GRR-")))
    complains("RED_FAIL", 800, [(1000, "----")])
    complains("DUAL: channel 2 (side) shows r", 1300, [(1000, FLASHING), (1000, "-r-R")])  # half of the flash is none
    complains("RED_FAIL", 8000, begin((1000, "G-RR")), dark_ms=0)


def test_dual():
    complains("DUAL: channel 1 (main) shows ? behind X", 8300, begin((1000, "DRRR")))
    complains("DUAL: channel 1 (main) shows ? behind X", 8000, begin((1000, "DRRR")), conflict_ms=0)
    complains("DUAL: channel 2 (side) shows X behind R", 7300, [(1000, FLASHING), (6000, "RRRR"), (500, "RXRR")])
    complains("DUAL: channel 3 (walk) shows A behind R", 8300, begin((1000, "GRAR")))
    complains("DUAL: channel 1 (main) shows A behind X", 8300, begin((1000, "ARRR")))
    complains("DUAL: channel 1 (main) shows r behind X", 8300, begin((1000, "rRRR")))
    assert judge(begin((280, "ARRR"), (1000, "GRRR"))) is None  # red went off first


def test_unused():
    complains("UNUSED: channel 4 (-) shows G behind R", 8300, begin((1000, "GRRG")))


def test_short_yellow():
    complains("SHORT_YELLOW: channel 1 (main) leaves green without yellow", 13000, begin((5000, "GRRR"), (100, "RRRR")))
    complains("SHORT_YELLOW", 13200, begin((5000, "GRRR"), (200, "-RRR"), (100, "RRRR")))
    steps = begin((5000, "GRRR"), (2680, "ARRR"), (100, "RRRR"))
    complains("SHORT_YELLOW: channel 1 (main) showed yellow for 2680 ms", 15680, steps)
    assert judge(begin((5000, "GRRR"), (2700, "ARRR"), (100, "RRRR"))) is None
    complains("SHORT_YELLOW: channel 1 (main) leaves yellow without", 14000, begin(
        (5000, "GRRR"), (1000, "ARRR"), (100, "GRRR")
    ))  # fmt: skip


def test_long_yellow():
    steps = begin((5000, "GRRR"), (9000, "ARRR"))
    complains("LONG_YELLOW: channel 1 (main) shows yellow for over 4800 ms", 17820, steps)
    complains("LONG_YELLOW", 17820, steps, conflict_ms=0, dark_ms=0)
    assert judge(begin((5000, "GRRR"), (4800, "ARRR"), (1000, "RRRR"))) is None
    late = "LONG_YELLOW: channel 1 (main) shows yellow for over 2300 ms"  # a second late, however short it is
    complains(late, 9320, [(1000, FLASHING), (6000, "RRRR"), (9000, "XRRR")])
    complains("LONG_YELLOW", 17820, begin((5000, "GRRR"), (4000, "ARRR"), (200, "-RRR"), (5000, "ARRR")))


def test_clearance():
    ended = begin((5000, "GRRR"), (3000, "ARRR"))
    late = "CLEARANCE: channel 2 (side) after channel 1 (main): 4680 of 5000 ms"
    complains(late, 17680, ended + [(1680, "RRRR"), (100, "RGRR")])
    assert judge(ended + [(1700, "RRRR"), (100, "RGRR")]) is None
    complains(
        "CLEARANCE: channel 2 (side) after channel 3 (walk)", 14000, begin((5000, "RRGR"), (1000, "RRrR"), (20, "RGRR"))
    )
    complains("CLEARANCE", 13000, begin((5000, "GRRR"), (20, "-GRR")))


def test_behind_flash_everything_clears_first():
    complains("CLEARANCE: channel 2 (side) after channel 1", 1000, [(1000, FLASHING), (1000, "RGRR")])
    complains("CLEARANCE", 5000, [(1000, FLASHING), (4000, "RRRR"), (100, "GRRR")])
    complains("CLEARANCE", 0, [(100, "GRRR")])


def test_flash_is_right_at_any_time_and_forgets():
    assert judge(begin((1000, "GRRR"), (1000, FLASHING), (6000, "RRRR"), (1000, "XRRR"), (1000, "GRRR"))) is None
    complains("CLEARANCE", 9100, begin((1000, "GRRR"), (100, FLASHING), (1000, "GRRR")))


def test_the_wrong_number_of_lamps():
    complains("CHANNELS: 3 lamps for 4 channels", 0, [(100, "RRR")])


def test_what_is_switched_and_what_draws():
    def found(*steps):
        field = FieldCheck(MATRIX)
        now = 0
        for lasting_ms, switched, drawn in steps:
            for _ in range(lasting_ms // 20):
                lamps = [bytes([LAMPS[letter] for letter in letters]) for letters in (switched, drawn)]
                reason = field.see(now, lamps[0], lamps[1])
                if reason:
                    return now, reason
                now += 20
        return None

    stuck = "RRRR"
    assert found((5000, stuck, stuck), (5000, "GRRR", stuck)) == (
        6000, "FIELD: channel 1 (main) draws R where G is switched",
    )  # fmt: skip
    assert found((5000, "GRGR", FLASHING)) and found((5000, FLASHING, stuck)) and found((5000, "RRRR", "RRRA"))
    # What comes and goes adds up, and is forgotten four times as slowly.
    assert found((980, "GRRR", stuck), (20, "GRRR", "GRRR"), (980, "GRRR", stuck)) is not None
    assert found((980, "GRRR", stuck), (4000, "GRRR", "GRRR"), (980, "GRRR", stuck)) is None
    assert found((980, "GRRR", stuck), (20, "ARRR", stuck)) is None
    assert found((980, "GRRR", stuck), (40, "ARRR", stuck)) is not None  # it follows neither
    assert found((20, "GRR", "GRRR"))[1].startswith("CHANNELS")
