"""What energy control leaves behind: entries that are replayed bit for bit, and say why."""

import dataclasses

import pytest
from energy.campaign import campaign
from energy.sites import BATTERY, CAR, IMPORT, VAN, fuse, house, remote
from energy.test_energy_core import ask, wanting
from energy.world import UTC_MS, World
from wayside.control.energy import core, replay
from wayside.control.energy.cycle import PowerRequests
from wayside.control.energy.limits import Key, Limit
from wayside.control.energy.record import EnergyCycle, Notes, entry
from wayside.control.energy.why import explain
from wayside.evidence import EvidenceError
from wayside.evidence.entry import Entry, decode_unplaced, encode_unplaced


def logged(made, utc_ms: int) -> Entry:
    """An entry as it comes back from the disk."""
    return decode_unplaced(encode_unplaced(utc_ms, 0, made))


def run(world: World, cycles: int, requests=wanting(), notes: Notes | None = None) -> list[Entry]:  # noqa: B008
    notes = notes or Notes(world.site)
    entries = []
    for number in range(cycles):
        world.cycle(requests if not number else requests._replace(limits=()))
        cycle = EnergyCycle(*world.inputs)
        made = notes.look(cycle, world.points, world.reasons)
        if made:
            entries.append(logged(made, cycle.now.utc_ms))
    return entries


@pytest.mark.parametrize("seed", range(6))
def test_every_cycle_is_replayed_bit_for_bit(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def checked(self: World, *args) -> None:
        cycle(self, *args)
        body = logged(entry(self.site, EnergyCycle(*self.inputs), self.points, self.reasons), 1).body
        moment = replay.again(self.site, body, 1)
        assert (moment.points, moment.reasons) == (self.points, self.reasons)

    cycle = World.cycle
    monkeypatch.setattr(World, "cycle", checked)
    campaign(seed, 60)


@pytest.mark.parametrize(
    "strange",
    [
        PowerRequests((), (Limit("sideways", 5, (), "nobody"),)),
        PowerRequests((), (Limit(None, float("nan"), ("ab",), "grid"),)),
        PowerRequests((), (Limit(IMPORT, 0, ("", "a"), "grid"),)),
        PowerRequests((), (), (Key("grid", ["import"], None), Key(None, IMPORT, (1,)))),
        PowerRequests((ask("car", 3_000)._replace(phases=1.0), ask("car", 5)._replace(how="exactly"))),
        PowerRequests((ask("car", 3_000)._replace(source=float("nan")),)),
    ],
)
def test_what_was_refused_is_refused_again(strange: PowerRequests) -> None:
    """It made the entry unreadable, or was taken in the replay."""
    world = World(house(CAR, parties=(fuse(8_000), remote("grid", IMPORT, 4_200))))
    world.run(5)
    asked = strange._replace(wanted=(*strange.wanted, ask("car", 5_000)))
    cycle = EnergyCycle(world.state, world.snapshot()._replace(heard=frozenset({None, "grid"})), asked, world.now)
    _, points, reasons = core.decide(world.site, *cycle)
    moment = replay.again(world.site, logged(entry(world.site, cycle, points, reasons), 1).body, 1)
    assert (moment.points, moment.reasons) == (points, reasons) and "refused" in str(reasons)
    listed = cycle.snapshot._replace(grid=cycle.snapshot.grid._replace(phases=[300, 300, 300]))
    cycle = cycle._replace(snapshot=listed)
    _, points, reasons = core.decide(world.site, *cycle)
    moment = replay.again(world.site, logged(entry(world.site, cycle, points, reasons), 1).body, 1)
    assert (moment.points, moment.reasons) == (points, reasons) and "does not show" in str(reasons)


def test_only_changes_and_a_heartbeat_are_logged() -> None:
    world = World(house(VAN, BATTERY))
    notes = Notes(world.site)
    run(world, 100, wanting(ask("van", 5_000)), notes)
    assert len(run(world, 600, wanting(ask("van", 5_000)), notes)) == 10
    run(world, 30, wanting(ask("van", 5_000)), notes)
    world.base = (300, 300, 7_000)
    changed_ms = UTC_MS + world.now_ms
    entries = run(world, 120, wanting(ask("van", 5_000)), notes)
    assert entries[0].logged_at_ms == changed_ms and len(entries) < 12


def test_a_storm_of_changes_is_bounded_and_what_is_left_out_is_counted() -> None:
    world = World(house(dataclasses.replace(BATTERY, hold_ms=0)))
    notes = Notes(world.site)
    entries = []
    for second in range(600):
        entries += run(world, 1, wanting(ask("battery", 4_000 * (-1) ** second)), notes)
    assert len(entries) <= 60 + 100 + 10
    left_out = [replay.again(world.site, each.body, 0).left_out for each in entries]
    assert sum(left_out) > 200


def test_why() -> None:
    world = World(house(VAN, BATTERY, parties=(fuse(8_000), remote("grid", IMPORT, 4_200))))
    entries = run(world, 80, wanting(ask("van", 7_360), limits=(Limit(IMPORT, 30_000, (), "grid"),)))
    world.base = (300, 300, 9_500)
    entries += run(world, 5, wanting(ask("van", 7_360)))
    moment = replay.at(world.site, entries, UTC_MS + world.now_ms)
    said = dict(explain(moment))
    assert said["van"] == "0 W: the limit of import c of fuse, 7360 W were asked"
    assert "battery" in said and "import c of fuse" in said["battery"]
    world.grid_fault = "stale"
    entries += run(world, 3, wanting(ask("van", 7_360)))
    assert "the grid meter says nothing: its reading is older than 5 s" in [
        text for _, text in explain(replay.at(world.site, entries, UTC_MS + world.now_ms))
    ]
    assert replay.at(world.site, entries, UTC_MS + world.now_ms + 10**6) is None


def test_why_says_of_how_long_before_it_is() -> None:
    """A set-point that drifts by less than is logged: it told 1152 W as if it were of now, while 1456 W were."""
    world = World(house(BATTERY))
    notes = Notes(world.site)
    entries = []
    for second in range(40):
        entries += run(world, 1, wanting(ask("battery", 1_000 + 8 * second)), notes)
    told = list(explain(replay.at(world.site, entries, UTC_MS + world.now_ms - 1_000)))
    assert told[0][0] == "site" and "s before" in told[0][1]
    newest = list(explain(replay.at(world.site, entries, entries[-1].logged_at_ms)))
    assert "before" not in newest[0][1]


def test_what_a_stranger_says_does_not_keep_a_decision_out_of_the_log() -> None:
    world = World(house(BATTERY))
    notes = Notes(world.site)
    limit = (Limit(IMPORT, 0, (), "nobody"),)
    for second in range(200):
        sent = wanting(ask("battery", 3_000), limits=limit if second % 2 else ())
        run(world, 1, sent, notes)
    entries = run(world, 4, wanting(ask("battery", -4_000), limits=limit), notes)
    moment = replay.at(world.site, entries, UTC_MS + world.now_ms)
    assert moment.points[0].watts == world.tell("battery") == -4_000


def test_another_site_and_a_forged_decision_are_told() -> None:
    world = World(house(CAR))
    entries = run(world, 5)
    assert len(list(replay.replay(world.site, entries, 0, 2**60))) == len(entries)
    with pytest.raises(EvidenceError, match="another site file"):
        list(replay.replay(house(VAN), entries, 0, 2**60))
    body = entries[0].body
    body.inputs["points"][0][1] += 1
    with pytest.raises(EvidenceError, match="does not follow"):
        replay.again(world.site, body, 0)
    del body.inputs["state"]
    with pytest.raises(EvidenceError, match="cannot be read"):
        replay.again(world.site, body, 0)
