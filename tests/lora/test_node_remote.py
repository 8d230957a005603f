"""A node's configuration from the air: tried, kept, rolled back, persisted. On both interpreters: plain asserts."""

import sys

sys.path.append(__file__.rsplit("/", 2)[0] + "/node")

from fakes import Files, files, flush, nothing, scratch
from test_node_radio import HOUR_MS, OWN, PROFILE, Bench, connect
from wayside_node.radio_remote import Remote, Working
from wayside_node.radio_schedule import Schedule
from wayside_wire import lora_config as wire
from wayside_wire import pack


def config(version, trial=3, report_s=None, sign_every=None, sf=None, channels=None, thresholds=None):
    return wire.encode_config(PROFILE, wire.AirConfig(version, trial, report_s, sign_every, sf, channels, thresholds))


def remote(path):
    return Remote(files(), path, PROFILE, OWN)


def test_a_configuration_is_tried_kept_and_survives():
    path = scratch("kept") + "/remote"
    one = remote(path)
    assert (one.working, one.version, one.tried, one.outcome) == (OWN, 0, 0, wire.NONE)
    payload = config(3, report_s=60, sign_every=2, sf=9, channels=["rh"], thresholds={"rh": 50})
    one.take(payload)
    wanted = Working(60000, 2, 9, ["rh"], {"rh": 50})
    assert (one.working, one.version, one.tried, one.outcome) == (wanted, 0, 3, wire.TRYING)
    one.answered()
    assert (one.working, one.version, one.outcome, one.digest) == (wanted, 3, wire.KEPT, wire.digest_of(payload))
    one.unanswered()
    again = remote(path)
    assert (again.working, again.version, again.tried, again.outcome) == (wanted, 3, 3, wire.KEPT)
    for old in (payload, config(2, report_s=5), config(3, report_s=5)):
        again.take(old)
        assert (again.working, again.version, again.tried) == (wanted, 3, 3)
    again.take(config(4))
    assert again.working == OWN  # what is not named is as the file says
    again.answered()
    assert remote(path).version == 4


def test_nobody_heard_rolls_back_once_and_for_all():
    path = scratch("rolled") + "/remote"
    one = remote(path)
    one.take(config(1, report_s=60))
    one.answered()
    kept = one.working
    one.take(config(2, trial=3, sf=12))
    for _ in range(2):
        one.unanswered()
        assert one.working.sf == 12
    one.unanswered()
    assert (one.working, one.version, one.tried, one.outcome) == (kept, 1, 2, wire.ROLLED_BACK)
    one.answered()
    one.take(config(2, trial=3, sf=12))
    assert one.working == kept and one.version == 1
    again = remote(path)
    assert (again.working, again.version, again.tried, again.outcome) == (kept, 1, 2, wire.ROLLED_BACK)


def test_a_power_cut_on_trial_ends_it():
    path = scratch("cut") + "/remote"
    one = remote(path)
    one.take(config(1, sf=12))
    again = remote(path)
    assert (again.working, again.version, again.tried, again.outcome) == (OWN, 0, 1, wire.ROLLED_BACK)
    again.take(config(1, sf=12))
    assert again.working == OWN
    again.take(config(2, sf=9))
    assert again.working.sf == 9


def test_what_is_not_for_this_node_is_refused_by_its_version():
    one = remote(scratch("refused") + "/remote")
    one.take(bytes([5, 8, 3, 0b100]))  # a third channel
    assert (one.working, one.tried, one.outcome) == (OWN, 5, wire.REFUSED)
    one.take(b"")
    one.take(b"\xff" * 12)
    assert one.tried == 5
    one.take(config(6, sf=8))
    assert one.working.sf == 8


class Broken(Files):
    """A flash that takes `writes` more."""

    def __init__(self, writes):
        Files.__init__(self, flush, nothing)
        self.writes = writes

    def replace(self, path, data):
        self.writes -= 1
        if self.writes < 0:
            Files.replace(self, path, data[: len(data) // 2])
            raise OSError(28)
        Files.replace(self, path, data)


def test_a_flash_that_refuses_or_is_cut_leaves_a_whole_configuration():
    for writes in range(5):
        path = scratch("flash%d" % writes) + "/remote"
        one = Remote(Broken(writes), path, PROFILE, OWN)
        one.take(config(1, report_s=60))
        one.answered()
        one.take(config(2, report_s=120))
        one.answered()
        again = remote(path)
        # What was kept is what the disk has; each configuration takes two writes.
        assert again.version == one.version == writes // 2
        assert again.working.report_ms == (900000, 60000, 120000)[writes // 2]
    refusing = Broken(1)
    one = Remote(refusing, scratch("later") + "/remote", PROFILE, OWN)
    one.take(config(1, report_s=60))
    one.answered()
    assert one.on_trial
    refusing.writes = 1
    one.answered()
    assert not one.on_trial and one.version == 1


def test_other_channels_make_it_void():
    path = scratch("void") + "/remote"
    one = remote(path)
    one.take(config(1, channels=["rh"]))
    one.answered()
    other = Remote(files(), path, type(PROFILE)(PROFILE.channels[:1]), Working(900000, 3, 7, ["t"], {}))
    assert (other.version, other.digest, other.tried, other.outcome) == (0, b"", 1, wire.REFUSED)


# --- in an uplink ---


def numbers(bench):
    return [reading.mantissa for _, _, _, made in bench.gateway.taken for reading in made.readings]


def test_it_comes_with_an_answer_and_is_acknowledged_by_version_and_hash():
    bench = Bench("ordered")
    connect(bench)
    bench.report(0)
    assert [status.outcome for status in bench.gateway.statuses] == [wire.NONE]
    payload = config(1, sign_every=2, channels=["rh"])
    bench.gateway.config = payload
    for value in range(1, 16):
        bench.report(value)
    outcomes = [(status.outcome, status.version) for status in bench.gateway.statuses]
    assert outcomes == [(wire.NONE, 0), (wire.TRYING, 0), (wire.KEPT, 1)]
    assert bench.gateway.statuses[-1].digest == wire.digest_of(payload)
    last = bench.gateway.taken[-1][3]
    assert [reading.channel for reading in last.readings] == ["rh", "rh"]
    found = numbers(bench)
    assert sorted(found) == found and set(range(15)) <= set(found)


def test_a_spreading_factor_that_nobody_hears_is_given_up():
    bench = Bench("deaf")
    connect(bench)
    bench.report(0)
    bench.gateway.config = config(1, trial=4, sf=9)
    hear = bench.gateway.hear
    bench.gateway.hear = lambda raw: hear(raw) if bench.modem.sf == 7 else None
    at_nine = 0
    for value in range(1, 20):
        bench.report(value)
        at_nine += bench.modem.sf == 9
    assert at_nine and bench.modem.sf == 7
    last = bench.gateway.statuses[-1]
    assert (last.version, last.tried, last.outcome) == (0, 1, wire.ROLLED_BACK)
    found = numbers(bench)
    assert found == [value for value in range(len(found) // 2) for _ in (0, 1)] and len(found) >= 30


def test_what_can_never_be_sent_ends_a_trial_too():
    bench = Bench("never")
    connect(bench)
    bench.report(0)
    bench.gateway.config = config(1, trial=4, sf=9)
    bench.transmitter.airtime_us = lambda size: 50000 if bench.modem.sf == 7 else 37000000  # over the hour's share
    for value in range(1, 12):
        bench.report(value)
    assert bench.gateway.statuses[-1].outcome == wire.ROLLED_BACK and bench.modem.sf == 7


def test_want_of_airtime_is_told_as_soon_as_there_is_some():
    bench = Bench("short")
    connect(bench)
    for value in range(4):
        bench.report(value)
    assert bench.gateway.statuses[-1].unsent == 0
    bench.transmitter.budget.spend(35900000)  # somebody used the hour
    for value in range(4, 10):
        bench.report(value)
    missed = bench.transmitter.counts["airtime used up"]
    assert missed and bench.gateway.statuses[-1].unsent == 0
    bench.time.advance(2 * HOUR_MS)
    for value in range(10, 14):
        bench.report(value)
    assert bench.gateway.statuses[-1].unsent >= missed


# --- when a report is due ---


def reading(value, quality=pack.GOOD):
    return pack.Reading("t", "Cel", None if quality == pack.BAD else value, -2, quality, "", 0)


def reports(working, values, step_ms=1000):
    """Times of the reports when the value changes every step."""
    schedule = Schedule(0, working.report_ms, lambda limit: limit // 2)
    found = []
    for place, value in enumerate(values):
        now = place * step_ms
        if schedule.wait_ms(now, working) == 0 and schedule.is_due(now, working, [reading(value)]):
            schedule.reported(now, working, [reading(value)])
            found.append(now)
    return found


def test_a_report_is_due_by_time_or_by_change():
    calm = Working(160000, 3, 7, ["t"], {})
    assert reports(calm, [0] * 600) == [80000, 240000, 400000, 560000]
    watched = Working(160000, 3, 7, ["t"], {"t": 50})
    assert reports(watched, [0] * 600) == [80000, 240000, 400000, 560000]
    step = [0] * 100 + [49] * 100 + [-50] * 200
    assert reports(watched, step) == [80000, 200000, 360000]
    # However the value swings, there are sixteen in an interval at most.
    swinging = reports(watched, [100 * (place & 1) for place in range(0, 640)])
    assert len(swinging) <= 16 * 640 // 160
    assert min([later - sooner for sooner, later in zip(swinging, swinging[1:])]) >= 10000


def test_a_shorter_interval_counts_at_once():
    schedule = Schedule(0, 86400000, lambda limit: limit // 2)
    short = Working(60000, 3, 7, ["t"], {})
    assert schedule.wait_ms(0, short) <= 64000
