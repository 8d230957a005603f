"""Energy settlement: exact, over what is missing, never over a register that went back."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, NODE, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside.cli import main
from wayside.evidence.bundle import Claim, write_bundle
from wayside.evidence.settlement import kwh, settle
from wayside_wire.pack import BAD, NO_PREVIOUS, SYNCED, Pack, Reading, pack_hash, sign_pack


def log_of(registers: Sequence[int | None]) -> SiteLog:
    """A pack for each register, in units of 10 Wh; None for a poll that failed."""
    log = SiteLog()
    log.add_key()
    previous = NO_PREVIOUS
    for sequence, register in enumerate(registers):
        good = register is not None
        reading = Reading("energy_active_import", "J", 36 * register if good else None, 3, 0, "", log.now())
        if not good:
            reading = reading._replace(exponent=0, quality=BAD, reason="timeout")
        raw = sign_pack(Pack(DEVICE, 1, sequence, SYNCED, previous, (reading,)), NODE.kid, NODE.sign)
        previous = pack_hash(raw)
        log.add_pack(raw)
    return log


def test_the_sum_is_last_minus_first_and_exact():
    (stretch,) = settle(log_of([100_000, 100_001, None, 100_123]).bundle(), DEVICE)
    assert kwh(stretch.joules) == "1.23" and (stretch.registers, stretch.bad) == (3, 1)
    assert (kwh(stretch.first.joules), kwh(stretch.last.joules)) == ("1000", "1001.23")


def test_a_register_that_went_back_is_never_counted_over():
    stretches = settle(log_of([500, 700, 10, 40]).bundle(), DEVICE)
    assert [kwh(each.joules) for each in stretches] == ["2", "0.3"]


@given(st.lists(st.none() | st.integers(0, 10**9), max_size=30))
def test_every_rise_is_counted_once_and_no_fall(registers: list[int | None]):
    good = [each for each in registers if each is not None]
    rises = sum(max(0, after - before) for before, after in pairwise(good))
    stretches = settle(log_of(registers).bundle(), DEVICE)
    assert sum((each.joules for each in stretches), Fraction()) == 36_000 * rises
    assert sum(each.registers for each in stretches) == len(good)


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0, "0"), (3_600_000, "1"), (36_000, "0.01"), (-36_000, "-0.01"), (3_600, "0.001"), (1, "1/3600000")],
)
def test_kwh_is_exact(joules: int, text: str):
    assert kwh(Fraction(joules)) == text


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "evidence"
    write_bundle(path, log_of([100, 350]), Claim(DEVICE))
    words = ["settle", str(path), "--key", str(KEY), "--device"]
    assert main([*words, DEVICE]) == 0
    assert "energy_active_import: 2.5 kWh" in capsys.readouterr().out
    assert main([*words, "meter-9"]) == 1
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    assert main([*words, DEVICE]) in (1, 2)
    path.write_bytes(b"nothing")
    assert main([*words, DEVICE]) == 2
