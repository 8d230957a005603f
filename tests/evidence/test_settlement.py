"""Energy settlement: exact, one register of one meter at a time, and never over what the evidence does not prove."""

import json
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from evidence.site_log import DEVICE, KEY, NODE, START_MS, STREAM, THIEF, SiteLog
from hypothesis import given
from hypothesis import strategies as st
from wayside.cli import main
from wayside.evidence.bundle import Bundle, BundleClaim, encode_bundle, write_bundle
from wayside.evidence.certificate import Trust
from wayside.evidence.entry import decode_entry, encode_unplaced
from wayside.evidence.kinds import DEVICE_ATTESTED, GATEWAY_ATTESTED, DeviceBody, GapBody, OverloadBody, PackBody
from wayside.evidence.settlement import EnergyAccount, Settlement, kwh, settle, shown
from wayside.evidence.verify import Verifier
from wayside.trust.keys import SoftwareKey
from wayside_wire import senml
from wayside_wire.pack import BAD, NO_PREVIOUS, SYNCED, UNCERTAIN, UNSYNCED, Pack, Reading, pack_hash, sign_pack

CHANNEL = "energy_active_import"
GATEWAY = SoftwareKey(b"g" * 32)


class Meter:
    """Writes packs of one key's chain with registers in units of 10 Wh; None for a poll that failed."""

    def __init__(self, log: SiteLog, key: SoftwareKey = NODE, attested: str = DEVICE_ATTESTED) -> None:
        self.log, self.key, self.attested = log, key, attested
        self.boot, self.sequence, self.previous = 1, 0, NO_PREVIOUS

    def make(
        self, register: int | None, unit: str = "J", quality: int = 0, time_ms: int | None = None, clock: int = SYNCED
    ) -> bytes:
        when = self.log.now() if time_ms is None else time_ms
        reading = Reading(CHANNEL, unit, register and 36 * register, 3, quality, "", when)
        if register is None:
            reading = reading._replace(mantissa=None, exponent=0, quality=BAD, reason="timeout")
        elif register == 0:
            reading = reading._replace(mantissa=0)
        raw: bytes = sign_pack(
            Pack(DEVICE, self.boot, self.sequence, clock, self.previous, (reading,)), self.key.kid, self.key.sign
        )
        self.sequence, self.previous = self.sequence + 1, pack_hash(raw)
        return raw

    def put(self, *registers: int | None, **more: object) -> None:
        for register in registers:
            self.log.add_pack(self.make(register, **more), attested=self.attested)


def log_of(registers: Sequence[int | None]) -> SiteLog:
    log = SiteLog()
    log.add_key()
    Meter(log).put(*registers)
    return log


def settled(bundle: Bundle) -> Settlement:
    verifier = Verifier(bundle, Trust.in_key(KEY))
    assert verifier.run(), [each.text for each in verifier.findings if not each.holds]
    return settle(bundle, verifier.judge, DEVICE)


def account(log: SiteLog) -> EnergyAccount:
    (found,) = settled(log.bundle()).accounts
    return found


def rises(found: EnergyAccount) -> list[str]:
    """Of each stretch."""
    return [kwh(each.joules) for each in found.stretches]


def reasons(found: EnergyAccount) -> str:
    return " | ".join("; ".join(each.reasons) for each in found.breaks)


def test_the_sum_is_last_minus_first_and_exact():
    found = account(log_of([100_000, 100_001, None, 100_123]))
    (stretch,) = found.stretches
    assert kwh(found.joules) == kwh(stretch.joules) == "1.23" and (stretch.registers, stretch.unused) == (3, 1)
    assert (kwh(stretch.first.joules), kwh(stretch.last.joules)) == ("1000", "1001.23")


def test_a_register_that_went_back_is_never_counted_over():
    found = account(log_of([500, 700, 10, 40]))
    assert rises(found) == ["2", "0.3"] and reasons(found) == "the register went back"
    assert kwh(found.breaks[0].joules) == "-6.9" and kwh(found.joules) == "2.3"


@given(st.lists(st.none() | st.integers(0, 10**9), min_size=1, max_size=30))
def test_no_more_is_counted_than_the_register_rose_and_no_fall(registers: list[int | None]):
    good = [each for each in registers if each is not None]
    up = sum(max(0, after - before) for before, after in pairwise(good))
    found = settled(log_of(registers).bundle()).accounts
    total = sum((each.joules for each in found), Fraction())
    assert total <= 36_000 * up and (total == 36_000 * up or good != sorted(good))


@given(
    st.lists(st.integers(0, 1000), min_size=2, max_size=20),
    st.integers(1, 19),
    st.integers(0, 10**9),
    st.integers(1, 3),
)
def test_spikes_and_zeros_pay_nothing(steps: list[int], at: int, value: int, length: int):
    """A register that reads something wrong for a while, up or down, and then goes on: no more is paid than flowed."""
    true = [100_000 + sum(steps[: at + 1]) for at in range(len(steps))]
    read = list(true)
    for place in range(at, min(at + length, len(read) - 1)):
        read[place] = value
    found = settled(log_of(read).bundle()).accounts
    assert sum((each.joules for each in found), Fraction()) <= 36_000 * (true[-1] - true[0])


def test_a_counter_that_falls_to_zero_and_comes_back_pays_no_lifetime():
    found = account(log_of([1_550_000, 1_550_010, 0, 0, 1_550_020, 1_550_030]))
    assert kwh(found.joules) == "0.2" and "came back to what it had fallen from" in reasons(found)


def test_a_spike_pays_nothing():
    found = account(log_of([1_000_000, 1_000_010, 99_999_999, 1_000_020, 1_000_030]))
    assert kwh(found.joules) == "0.2" and "what was above it in 1 registers before is not believed" in reasons(found)


@pytest.mark.parametrize(
    ("joules", "text"),
    [(0, "0"), (3_600_000, "1"), (36_000, "0.01"), (-36_000, "-0.01"), (3_600, "0.001"), (1, "1/3600000")],
)
def test_kwh_is_exact(joules: int, text: str):
    assert kwh(Fraction(joules)) == text


def test_people_read_no_fraction():
    assert shown(Fraction(36_000)) == "0.01"
    assert [shown(sign * Fraction(2197, 18000) * 3_600_000) for sign in (1, -1)] == [
        "about 0.122055556",
        "about -0.122055556",
    ]


# --- what ends a stretch ---


def test_a_meter_that_was_replaced_is_not_paid_for_what_its_register_showed_before():
    log = log_of([100_000, 101_000])
    log.add(STREAM, DeviceBody("replaced", "counter went back, meter replaced or reset", None))
    Meter.put(follow(log, 2), 5_102_000, 5_103_000)
    found = account(log)
    assert rises(found) == ["10", "10"] and "replaced" in reasons(found)
    assert kwh(found.breaks[0].joules) == "50010" and kwh(found.joules) == "20"


def follow(log: SiteLog, sequence: int) -> Meter:
    """The meter, after so many packs."""
    meter = Meter(log)
    meter.sequence, meter.previous = sequence, pack_hash(packs_of(log)[-1])
    return meter


def packs_of(log: SiteLog) -> list[bytes]:
    bodies = [decode_entry(record.entry).body for record in log.items]
    return [body.raw for body in bodies if isinstance(body, PackBody)]


EVENTS = {
    "a device event": (DeviceBody("back", "", None), "back"),
    "an overload": (OverloadBody(3, "discard-oldest"), "3 reports gave way"),
    "a gap entry, though nothing is missing": (GapBody(NODE.kid, 1, 90, 95, "journal was full"), "journal was full"),
}


@pytest.mark.parametrize("name", EVENTS)
def test_a_stretch_ends_at(name: str):
    body, why = EVENTS[name]
    log = log_of([100, 200])
    log.add(STREAM, body)
    follow(log, 2).put(300, 400)
    found = account(log)
    assert rises(found) == ["1", "1"] and why in reasons(found) and kwh(found.breaks[0].joules) == "1"


def test_a_stretch_ends_at_a_key_entry_of_the_device_and_at_no_other():
    log = log_of([100, 200])
    log.add_key(key=THIEF, devices=["meter-2"])
    follow(log, 2).put(300)
    assert rises(account(log)) == ["2"]
    log.add_key(devices=[DEVICE, "meter-3"])
    follow(log, 3).put(400)
    assert rises(account(log)) == ["2", "0"] and "registered" in reasons(account(log))


def test_a_stretch_ends_at_a_loss_whether_it_is_named_or_not():
    log = log_of([100, 200])
    meter = follow(log, 2)
    meter.make(250)
    log.add_gap(1, 2, 2)
    meter.put(300, 350)
    found = account(log)
    assert rises(found) == ["1", "0.5"] and "missing boot 1: sequence 2 to 2" in reasons(found)


def test_another_key_is_another_stretch_whatever_the_registers_show():
    log = SiteLog()
    log.add_key()
    Meter(log).put(100, 200)
    log.add_key("revoked")
    log.add_key(key=THIEF)
    Meter(log, THIEF).put(5_000, 5_100)
    found = account(log)
    assert rises(found) == ["1", "1"] and f"key {THIEF.kid.hex()} after key {NODE.kid.hex()}" in reasons(found)
    assert "revoked" in reasons(found)


def test_what_two_keys_say_at_the_same_time_is_counted_once_at_most():
    """Node and gateway both read the meter: whoever sums both is paid twice."""
    log = SiteLog()
    log.add_key()
    log.add_key(key=GATEWAY, role="gateway")
    node, gateway = Meter(log), Meter(log, GATEWAY, GATEWAY_ATTESTED)
    for register in (100, 200, 300):
        node.put(register)
        gateway.put(register + 50)
    node.put(400, 500)
    found = account(log)
    assert kwh(found.joules) == "1" and f"packs by key {GATEWAY.kid.hex()} lie between" in reasons(found)
    assert {each.first.attested for each in found.stretches} == {DEVICE_ATTESTED, GATEWAY_ATTESTED}
    assert all(each.first.kid == each.last.kid for each in found.stretches)


def test_what_another_key_delivered_later_is_not_counted_again():
    """The node had no link for hours, while the gateway read the same meter."""
    log = SiteLog()
    log.add_key()
    log.add_key(key=GATEWAY, role="gateway")
    node, gateway = Meter(log), Meter(log, GATEWAY, GATEWAY_ATTESTED)
    times = [START_MS + minute * 60_000 for minute in range(4)]
    for time_ms, register in zip(times, (100, 200, 300, 400), strict=True):
        gateway.put(register, time_ms=time_ms)
    for time_ms, register in zip(times, (101, 201, 301, 401), strict=True):
        node.put(register, time_ms=time_ms + 1_000)
    node.put(900, 1_000)
    found = account(log)
    assert kwh(found.joules) == "5.99" and f"packs by key {GATEWAY.kid.hex()} lie between" in reasons(found)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 50), st.integers(0, 9)), min_size=2, max_size=25))
def test_no_time_of_a_meter_is_paid_for_twice(polls: list[tuple[int, int, int]]):
    """Two keys read one meter; each pack is logged so many polls later, in its key's order or late."""
    log = SiteLog()
    log.add_key()
    log.add_key(key=GATEWAY, role="gateway")
    meters = [Meter(log), Meter(log, GATEWAY, GATEWAY_ATTESTED)]
    register, waiting = 0, []
    for at, (who, rise, delay) in enumerate(polls):
        register += rise
        waiting.append((at + delay, at, who, meters[who].make(register, time_ms=START_MS + at * 1000)))
    for _, _, who, raw in sorted(waiting):
        log.add_pack(raw, attested=meters[who].attested)
    found = account(log)
    spans = sorted((each.first.time_ms or 0, each.last.time_ms or 0) for each in found.stretches)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert found.joules <= 36_000 * (register - polls[0][1])


def test_a_pack_that_came_late_stands_in_its_place():
    log = log_of([100])
    meter = follow(log, 1)
    late = meter.make(200)
    meter.put(300, 400)
    log.add_pack(late)
    (stretch,) = account(log).stretches
    assert (kwh(stretch.joules), stretch.registers, stretch.last.sequence) == ("3", 4, 3)


def test_what_happened_beside_a_late_pack_may_have_been_on_either_side_of_it():
    log = log_of([100])
    meter = follow(log, 1)
    late = meter.make(200)
    log.add(STREAM, DeviceBody("replaced", "", None))
    meter.put(300, 400)
    log.add_pack(late)
    found = account(log)
    assert rises(found) == ["0", "0", "1"] and reasons(found).count("replaced") == 2


def test_packs_of_a_node_that_came_after_what_they_were_measured_before_do_not_hide_it():
    """The meter was replaced between 200 and 5,000; both came when the link was up again."""
    log = log_of([100])
    meter = follow(log, 1)
    happened = log.now()
    log.add(STREAM, DeviceBody("replaced", "by hand", None))
    meter.put(200, time_ms=happened - 30_000)  # logged behind it, made before it
    meter.put(5_000, 5_100)
    found = account(log)
    assert rises(found) == ["0", "0", "1"] and reasons(found).count("replaced") == 2


def test_a_part_of_the_stream_that_is_not_in_the_file_is_not_counted_over():
    log = log_of([100, 200, 300])
    log.add(STREAM, DeviceBody("replaced", "", None))
    follow(log, 3).put(5_000, 5_100)
    bundle = log.bundle(lambda index: index != 4, BundleClaim(STREAM, 4))
    (found,) = settled(bundle).accounts
    assert rises(found) == ["2", "1"] and "entries 3 to 3 of its stream are not in this file" in reasons(found)


@pytest.mark.parametrize("unit", ["Wh", "kWh", "", "j", "MJ"])
def test_another_unit_than_joule_is_never_summed(unit: str):
    log = log_of([100, 200])
    meter = follow(log, 2)
    meter.put(10_000, unit=unit)
    meter.put(300, 400)
    found = settled(log.bundle())
    assert rises(found.accounts[0]) == ["1", "1"] and f"in {unit!r}" in reasons(found.accounts[0])
    assert f"is in {unit!r}, not in J" in found.problems[0]


def test_uncertain_and_bad_readings_are_no_registers():
    log = log_of([100])
    follow(log, 1).put(9_000, quality=UNCERTAIN)
    assert account(log).stretches[0].unused == 1 and kwh(account(log).joules) == "0"


def test_packs_that_do_not_count_are_not_summed():
    """The same pack again, and packs of others; with the latter nothing holds, so nothing is settled at all."""
    log = log_of([100, 200])
    log.add_pack(packs_of(log)[1])
    assert rises(account(log)) == ["1"]


# --- the command ---


def written(tmp_path: Path, log: SiteLog) -> list[str]:
    path = tmp_path / "evidence"
    write_bundle(path, log, BundleClaim(STREAM))
    return ["settle", str(path), "--key", str(KEY), "--device"]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = written(tmp_path, log_of([100, 350]))
    assert main([*words, DEVICE]) == 0
    shown = capsys.readouterr().out
    assert "energy_active_import: 2.5 kWh in 1 stretches" in shown and "COMPLETE" in shown
    assert "1 at 2026-09-21T14:14:20Z [1/0, entry 1] to 3.5" in shown
    assert main([*words, "meter-9"]) == 1
    path = Path(words[1])
    content = path.read_bytes()
    path.write_bytes(content.replace(b"wayside-bundle/3", b"wayside-bundle/2"))
    assert main([*words, DEVICE]) == 2
    path.write_bytes(b"nothing")
    assert main([*words, DEVICE]) == 2
    path.unlink()
    assert main([*words, DEVICE]) == 2


def test_breaks_sum_and_problems_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = log_of([100, 200])
    log.add(STREAM, DeviceBody("replaced", "new \x1b[2J meter", None))
    follow(log, 2).put(5_000, 5_100)
    words = written(tmp_path, log)
    assert main([*words, DEVICE]) == 0
    shown = capsys.readouterr().out
    assert "2 kWh in 2 stretches" in shown and "break    48 kWh over it, not counted: entry 3: replaced" in shown
    assert "\x1b" not in shown
    follow(log, 4).put(1, unit="Wh")
    assert main([*written(tmp_path, log), DEVICE]) == 1
    assert "PROBLEM" in capsys.readouterr().out


def test_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = log_of([100, 200])
    log.add(STREAM, DeviceBody("replaced", "", None))
    follow(log, 2).put(5_000, 5_123)
    assert main([*written(tmp_path, log), DEVICE, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["holds"], told["device"]) == ("wayside-settlement/1", True, DEVICE)
    (channel,) = told["channels"]
    assert (channel["channel"], channel["kwh"], channel["joules"]) == (CHANNEL, "2.23", "8028000")
    assert [each["kwh"] for each in channel["stretches"]] == ["1", "1.23"]
    (cut,) = channel["breaks"]
    assert cut["kwh"] == "48" and cut["after"]["joules"] == "7200000" and cut["before"]["entry"] == 4
    assert {each["check"] for each in told["findings"]} >= {"checkpoint", "inclusion", "sequence"}


def test_nothing_is_settled_on_what_does_not_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = log_of([100, 200])
    log.add_pack(log.make_pack(2, key=THIEF))
    words = written(tmp_path, log)
    assert main([*words, DEVICE]) == 1
    shown = capsys.readouterr().out
    assert "Nothing is settled" in shown and "kWh" not in shown
    assert main([*words, DEVICE, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is False and told["channels"] == []


def test_the_demands_are_those_of_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = written(tmp_path, log_of([100, 200]))
    assert main([*words, DEVICE, "--min-class", "C1"]) == 1
    policy = tmp_path / "policy"
    policy.write_text(f"log {KEY}\nquorum none\n")
    by_policy = ["settle", words[1], "--policy", str(policy), "--device", DEVICE]
    assert main(by_policy) == 0
    assert main([*by_policy, "--fresh", "2h"]) in (0, 1)
    policy.write_text("quorum none\n")
    assert main(by_policy) == 2 and "whom do you trust" in capsys.readouterr().err


@pytest.mark.parametrize("clock", [SYNCED, UNSYNCED])
def test_a_time_that_no_calendar_shows_is_no_traceback(
    clock: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(senml, "LAST_TIME_MS", 2**63)  # a sender that writes what ours refuses
    log = SiteLog()
    log.add_key()
    meter = Meter(log)
    meter.put(100, clock=clock)
    meter.put(200, time_ms=2**62, clock=clock)
    assert main([*written(tmp_path, log), DEVICE]) == 0
    shown = capsys.readouterr().out
    assert f"{2**62} ms" in shown if clock == SYNCED else "a time not known" in shown


@pytest.mark.parametrize("quality", [SYNCED, UNSYNCED])
def test_a_replacement_may_lie_between_packs_without_a_time_whatever_its_own_time_is_worth(quality: int):
    log = SiteLog()
    log.add_key()
    meter = Meter(log)
    meter.put(100)
    log.add_raw(STREAM, encode_unplaced(log.now(), quality, DeviceBody("replaced", "", None)))
    meter.put(110, clock=UNSYNCED, time_ms=1000)
    meter.put(9000, clock=UNSYNCED, time_ms=2000)
    assert set(rises(account(log))) == {"0"}


def test_a_log_key_that_contradicts_itself_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    log = log_of([100, 200])
    log.add_raw(STREAM, encode_unplaced(log.now(), 2, DeviceBody("replaced", "", None)), number=7)
    (tmp_path / "evidence").write_bytes(encode_bundle(log.bundle()))
    assert main(["settle", str(tmp_path / "evidence"), "--key", str(KEY), "--device", DEVICE]) == 3
    shown = capsys.readouterr().out
    assert "FRAUD PROVEN" in shown and "Nothing is settled" in shown


def test_a_certificate_that_is_renewed_costs_no_energy_and_another_profile_does():
    log = SiteLog()
    log.add_key()
    meter = Meter(log)
    meter.put(100, 110)
    log.add_key(certificates=(b"a certificate",))
    meter.put(120)
    assert kwh(account(log).joules) == "0.2"
    log.add_key(profiles={DEVICE: "another-meter"})
    meter.put(130)
    found = account(log)
    assert kwh(found.joules) == "0.2" and "registered" in reasons(found)
