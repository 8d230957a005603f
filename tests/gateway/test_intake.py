"""The intake with a real log on disk: order, repetition, refusal, overload, a disk that refuses."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE_S, until
from wayside.evidence.entry import Entry, decode_entry
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import NODE as NODE_ROLE
from wayside.evidence.kinds import (
    REGISTERED,
    ClockBody,
    CommandBody,
    DeviceBody,
    EntryKind,
    GapBody,
    KeyBody,
    OverloadBody,
)
from wayside.evidence.kinds import PackBody as PackEntry
from wayside.evidence.stream import GATEWAY as GATEWAY_STREAM
from wayside.evidence.stream import device_of, device_stream, journal_stream
from wayside.intake import intake as module
from wayside.intake import journal as watch_module
from wayside.intake import queue
from wayside.intake.commit import Committer
from wayside.intake.expiry import Expiry, Share
from wayside.intake.intake import Intake, NodeSource
from wayside.intake.journal import ClockWatch
from wayside.log import Append, ChainName, Log, LogError
from wayside.log.retention import RetentionPolicy
from wayside.runtime.memory import MemoryWatch, resident_bytes
from wayside.runtime.rate import Rate
from wayside.runtime.supervise import background
from wayside.trust.keys import SoftwareKey
from wayside.trust.registry import Doorkeeper
from wayside.values.image import ProcessImage
from wayside.values.reading import Pack, PackRefused, Reading, TimeQuality
from wayside_wire import link
from wayside_wire.pack import NO_PREVIOUS, UNSYNCED, open_pack, pack_hash, sign_pack

METER_2 = device_stream("meter-2")
NODE, OTHER, GATEWAY = (SoftwareKey(bytes([i]) * 32) for i in (1, 2, 3))


class FakeClock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now_ms = 1_763_676_000_000

    def utc_ms(self) -> int:
        return self.now_ms

    def monotonic(self) -> float:
        return self.now_ms / 1000

    def time_quality(self) -> TimeQuality:
        return TimeQuality.SYNCED


class Site:
    """An intake over a log in a folder, with one node and one polled meter."""

    def __init__(self, folder: Path):
        self.clock = FakeClock()
        self.log = Log(folder, "test.example", GATEWAY.public, GATEWAY.sign, lambda: (0, 2))
        self.committer = Committer(self.log, 0.001)
        keyring = Keyring()
        for index, (key, name) in enumerate(((NODE, "node-1"), (OTHER, "node-2"))):
            keyring.take(index, KeyBody(key.public, NODE_ROLE, ("meter-1",), REGISTERED, holder=name))
        self.source = NodeSource("node-1", frozenset({"meter-1"}))
        self.image = ProcessImage()
        self.intake = Intake(self.committer, Doorkeeper(keyring), GATEWAY, self.image, self.clock, self.log.starts)

    async def accept(self, raw: bytes, oldest: tuple[int, int] = (1, 0)) -> link.Ack:
        return await self.intake.accept(raw, oldest, self.source)

    def entries(self) -> list[Entry]:
        return [decode_entry(each.entry) for each in self.log.records(0, 1000)]

    def raws(self, device: str = "") -> list[bytes]:
        """The packs in the log, of one device where it is named."""
        of_it = [each for each in self.entries() if device in ("", device_of(each.stream))]
        return [each.body.raw for each in of_it if isinstance(each.body, PackEntry)]

    def kinds(self) -> list[int]:
        return [each.kind for each in self.entries()]


def run(folder: Path, scenario: Callable[[Site], Awaitable[None]]) -> None:
    async def whole() -> None:
        site = Site(folder)
        async with asyncio.timeout(60), background(site.committer.run), background(site.intake.run):
            await scenario(site)

    asyncio.run(whole())


def readings(value: int = 23000, time_ms: int = 1000) -> tuple[Reading, ...]:
    return (Reading("voltage_l1", "V", value, -2, 0, "", time_ms),)


def chain(count: int, boot: int = 1, previous: bytes = NO_PREVIOUS, key: SoftwareKey = NODE) -> list[bytes]:
    """Packs that follow each other."""
    raws = []
    for sequence in range(count):
        made = Pack("meter-1", boot, sequence, TimeQuality.SYNCED, previous, readings(sequence))
        raws.append(sign_pack(made, key.kid, key.sign))
        previous = pack_hash(raws[-1])
    return raws


async def refused(awaitable: Awaitable[link.Ack]) -> tuple[int, str]:
    with pytest.raises(PackRefused) as caught:
        await awaitable
    return caught.value.code, str(caught.value)


def test_packs_are_acknowledged_when_they_are_in_the_log(tmp_path: Path):
    async def scenario(site: Site) -> None:
        for sequence, raw in enumerate(chain(3)):
            assert await site.accept(raw) == link.Ack("meter-1", 1, sequence, pack_hash(raw))
            assert site.log.find_pack(ChainName("meter-1", NODE.kid), 1, sequence) == pack_hash(raw)
        assert site.image.snapshot["meter-1"]["voltage_l1"].mantissa == 2
        assert site.kinds() == [EntryKind.PACK] * 3

    run(tmp_path, scenario)


def test_a_replayed_pack_is_acknowledged_again_and_logged_once(tmp_path: Path):
    async def scenario(site: Site) -> None:
        raws = chain(3)
        for raw in [*raws, *raws, raws[0]]:
            await site.accept(raw)
        site.intake._chains._recent.clear()  # as after 4,096 others: now the log has to know
        await site.accept(raws[1])
        assert len(site.entries()) == 3 and site.source.counters["repeated"] == 5

    run(tmp_path, scenario)


def test_reordered_packs_wait_for_those_before_them(tmp_path: Path):
    async def scenario(site: Site) -> None:
        raws = chain(3)
        code, text = await refused(site.accept(raws[2], (1, 0)))
        assert code == link.OUT_OF_ORDER and "come first" in text
        for raw in raws:
            await site.accept(raw, (1, 0))
        assert len(site.entries()) == 3

    run(tmp_path, scenario)


def test_what_the_node_lost_becomes_a_gap_with_its_cause(tmp_path: Path):
    async def scenario(site: Site) -> None:
        raws = chain(5)
        await site.accept(raws[0], (1, 0))
        await site.accept(raws[3], (1, 3))
        assert site.entries()[1].body == GapBody(NODE.kid, 1, 1, 2, "lost at source")
        await site.accept(raws[2], (1, 2))
        assert site.source.counters["late"] == 1, "a pack that was given up for lost is welcome all the same"
        await site.accept(raws[4], (1, 4))
        assert site.kinds().count(EntryKind.PACK) == 4

    run(tmp_path, scenario)


def test_bad_packs_are_refused_with_a_reason_and_cost_nobody_else(tmp_path: Path):
    async def scenario(site: Site) -> None:
        (good,) = chain(1)
        wrong = bytearray(good)
        wrong[-1] ^= 1
        foreign = sign_pack(Pack("meter-9", 1, 0, 2, NO_PREVIOUS, readings()), NODE.kid, NODE.sign)
        stranger = SoftwareKey(bytes([9]) * 32)
        cases = [
            (bytes(wrong), link.REFUSED, "signature does not verify"),
            (b"noise", link.REFUSED, "CBOR"),
            (bytes(2000), link.REFUSED, "over"),
            (foreign, link.UNKNOWN_DEVICE, "meter-9 is not a device of node node-1"),
            (chain(1, key=OTHER)[0], link.REFUSED, "does not belong to node node-1"),
            (chain(1, key=stranger)[0], link.REFUSED, "is not registered"),
        ]
        for raw, code, reason in cases:
            found = await refused(site.accept(raw))
            assert found[0] == code and reason in found[1], found
        await site.accept(good)
        twin = sign_pack(Pack("meter-1", 1, 0, 2, NO_PREVIOUS, readings(5)), NODE.kid, NODE.sign)
        code, text = await refused(site.accept(twin))
        assert code == link.REFUSED and "other content" in text
        assert len(site.entries()) == 1

    run(tmp_path, scenario)


def given_up(raws: list[bytes], held: int = 0, device: str = "meter-1") -> link.GivenUp:
    """What a node says whose last pack of `device` is the last of these."""
    pack, _ = open_pack(raws[-1], lambda *_: True)
    return link.GivenUp(device, pack.boot, pack.sequence, pack_hash(raws[-1]), held)


def test_a_device_that_a_node_gives_up_leaves_no_silent_end(tmp_path: Path):
    async def scenario(site: Site) -> None:
        raws = chain(5)
        for raw in raws[:3]:
            await site.accept(raw)
        last = given_up(raws[:3])
        ack = await site.intake.give_up(last, site.source)
        assert ack == link.Ack(last.device, last.boot, last.sequence, last.hash)
        assert len(site.entries()) == 3, "all of it is here: there is nothing to name"
        code, text = await refused(site.intake.give_up(given_up(raws, held=2), site.source))
        assert code == link.REFUSED and "its packs are taken" in text
        for _ in range(2):  # once more after a power cut: named once
            await site.intake.give_up(given_up(raws), site.source)
            assert [each.body for each in site.entries()[3:]] == [
                GapBody(NODE.kid, 1, 3, None, "device is not the node's any more")
            ]
        await site.accept(raws[3])  # it is welcome all the same
        assert site.kinds().count(EntryKind.PACK) == 4

    run(tmp_path, scenario)


def test_of_a_device_that_the_site_does_not_know_what_is_given_up_is_named(tmp_path: Path):
    async def scenario(site: Site) -> None:
        said = link.GivenUp("metre-1", 3, 7, bytes(16), 8)
        await site.intake.give_up(said, site.source)
        (entry,) = site.entries()
        assert entry.stream == device_stream("metre-1")
        assert entry.body == GapBody(NODE.kid, 3, 0, None, "device is not the node's any more")
        for wrong in ("", "a/b", "../x", "x" * 60):
            assert (await refused(site.intake.give_up(said._replace(device=wrong), site.source)))[0] == link.REFUSED
        site.source.rate = Rate(1)
        site.source.rate.take(site.clock.monotonic())
        other = said._replace(device="metre-2")
        assert (await refused(site.intake.give_up(other, site.source)))[0] == link.BUSY
        assert len(site.entries()) == 1

    run(tmp_path, scenario)


def test_what_was_never_a_nodes_it_cannot_give_up(tmp_path: Path):
    """One word of a node, and a meter of another made its log INCOMPLETE for ever; thousands of names stopped it."""

    async def scenario(site: Site) -> None:
        site.intake._door.keyring.take(2, KeyBody(GATEWAY.public, "gateway", ("meter-2",), REGISTERED))
        said = link.GivenUp("meter-2", 3, 7, bytes(16), 0)
        assert await site.intake.give_up(said, site.source) == link.Ack(*said[:4])
        assert not site.entries() and site.source.counters["given up, of another node"] == 1
        for number in range(20):
            await site.intake.give_up(said._replace(device=f"metre-{number}"), site.source)
        assert len(site.entries()) == 16 and site.source.counters["given up, too many unknown devices"] == 4
        await site.intake.give_up(said._replace(device="metre-1", boot=9), site.source)
        assert len(site.entries()) == 17

    run(tmp_path, scenario)


def test_a_device_that_was_a_nodes_once_is_given_up_by_it(tmp_path: Path):
    async def scenario(site: Site) -> None:
        site.source.devices = frozenset({"meter-3"})
        site.intake._door.keyring.take(2, KeyBody(NODE.public, NODE_ROLE, ("meter-3",), REGISTERED, holder="node-1"))
        await site.intake.give_up(given_up(chain(2)), site.source)
        assert [each.stream for each in site.entries()] == [device_stream("meter-1")]

    run(tmp_path, scenario)


def test_a_node_without_time_is_logged_as_such(tmp_path: Path):
    async def scenario(site: Site) -> None:
        made = Pack("meter-1", 1, 0, UNSYNCED, NO_PREVIOUS, readings(time_ms=4711))
        await site.accept(sign_pack(made, NODE.kid, NODE.sign))
        (raw,) = site.raws()
        opened, _ = open_pack(raw, lambda *_: True)
        assert opened.time_quality == UNSYNCED and opened.readings[0].time_ms == 4711

    run(tmp_path, scenario)


def test_a_clock_that_jumps_a_year_changes_no_order(tmp_path: Path):
    async def scenario(site: Site) -> None:
        raws = chain(3)
        for raw, jump_ms in zip(raws, (0, 365 * 86_400_000, -365 * 86_400_000), strict=True):
            site.clock.now_ms += jump_ms
            await site.accept(raw)
        logged = [decode_entry(each.entry).logged_at_ms for each in site.log.records(0, 10)]
        assert logged[1] - logged[0] == 365 * 86_400_000 and logged[2] == logged[0]
        assert site.raws() == raws

    run(tmp_path, scenario)


def test_reports_of_polled_meters_become_gateway_attested_packs(tmp_path: Path):
    async def scenario(site: Site) -> None:
        for value in range(5):
            site.intake.report("meter-2", readings(value))
        await until(lambda: site.log.size == 5)
        previous = NO_PREVIOUS
        for sequence, entry in enumerate(site.entries()):
            assert isinstance(entry.body, PackEntry)
            opened, kid = open_pack(entry.body.raw, lambda *_: True)
            assert (opened.boot, opened.sequence, opened.previous) == (site.log.starts, sequence, previous)
            assert entry.body.attested == "gateway" and kid == GATEWAY.kid and opened.readings[0].mantissa == sequence
            previous = pack_hash(entry.body.raw)

    run(tmp_path, scenario)


def test_a_full_disk_acknowledges_nothing_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every commit fails for a while; then what waited is there once, in order, and chained."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)

    async def scenario(site: Site) -> None:
        raws = chain(3)
        await site.accept(raws[0])
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.log.size == 2)
        append = site.log.append_entries

        def full(entries: object) -> int:
            raise LogError("no space left on device; nothing of it was acknowledged")

        site.log.append_entries = full  # type: ignore[method-assign, assignment]
        for value in range(1, 5):
            site.intake.report("meter-2", readings(value))
            await asyncio.sleep(0.01)
        code, text = await refused(site.accept(raws[1]))
        assert code == link.BUSY and "no space left" in text
        failures = site.committer.failures
        await until(lambda: site.committer.failures > failures + 2)
        assert site.log.size == 2
        site.log.append_entries = append  # type: ignore[method-assign]
        await until(lambda: site.log.size == 6)
        for raw in raws[1:]:
            await site.accept(raw)
        polled = [open_pack(raw, lambda *_: True)[0] for raw in site.raws("meter-2")]
        assert [pack.readings[0].mantissa for pack in polled] == list(range(5))
        assert [pack.sequence for pack in polled] == list(range(5))

    run(tmp_path, scenario)


def test_what_retention_erases_is_named_and_the_rest_goes_on(tmp_path: Path):
    async def scenario(site: Site) -> None:
        expiry = Expiry(site.committer, site.clock, {METER_2: RetentionPolicy(max_age_ms=60_000)}, [], 0.01)
        for value in range(300):
            site.intake.report("meter-2", readings(value))
        await until(lambda: site.log.size == 300)
        site.clock.now_ms += 3_600_000
        async with background(expiry.run):
            await until(lambda: expiry.erased == 256)  # what lies in full tiles
        assert site.log.records(0, 1)[0].entry == b"" and site.log.records(299, 1)[0].entry
        site.intake.report("meter-2", readings(300))
        await until(lambda: site.log.size == 302)
        kinds = [EntryKind(decode_entry(each.entry).kind) for each in site.log.records(300, 2)]
        assert kinds == [EntryKind.RETENTION, EntryKind.PACK]

    run(tmp_path, scenario)


def test_a_disk_that_stays_full_drops_the_oldest_and_says_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(module, "_WAITING", 10)

    async def scenario(site: Site) -> None:
        append = site.log.append_entries

        def full(entries: object) -> int:
            raise LogError("no space left on device")

        site.log.append_entries = full  # type: ignore[method-assign, assignment]
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.committer.failures > 0)
        for value in range(1, 30):
            site.intake.report("meter-2", readings(value))
        site.log.append_entries = append  # type: ignore[method-assign]
        await until(lambda: site.log.size > 0 and not site.intake._reports and not site.intake._unsettled)
        dropped = [each for each in site.entries() if isinstance(each.body, OverloadBody)]
        kept = site.kinds().count(EntryKind.PACK)
        assert sum(each.body.reports for each in dropped) + kept == 30
        assert all((each.stream, each.body.policy) == (METER_2, "discard-oldest") for each in dropped)
        last = open_pack(site.raws()[-1], lambda *_: True)[0]
        assert last.readings[0].mantissa == 29

    run(tmp_path, scenario)


def test_the_log_says_by_which_policy_reports_gave_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_WAITING", 10)

    async def scenario(site: Site) -> None:
        site.intake.policies = {"meter-2": "discard-newest"}
        take = refuse(site)
        for value in range(30):
            site.intake.report("meter-2", readings(value))
        take()
        await until(lambda: site.log.size > 0 and not site.intake.waiting and not site.intake._unsettled)
        polled = [open_pack(raw, lambda *_: True)[0] for raw in site.raws()]
        assert [pack.readings[0].mantissa for pack in polled] == list(range(10))
        dropped = [(each.stream, each.body) for each in site.entries() if isinstance(each.body, OverloadBody)]
        assert dropped == [(METER_2, OverloadBody(20, "discard-newest"))]

    run(tmp_path, scenario)


# --- what the gateway says itself ---


def refuse(site: Site) -> Callable[[], None]:
    """The disk takes nothing any more; call what is returned to let it."""
    append = site.log.append_entries

    def full(entries: object) -> int:
        raise LogError("no space left on device")

    def take() -> None:
        site.log.append_entries = append  # type: ignore[method-assign]

    site.log.append_entries = full  # type: ignore[method-assign, assignment]
    return take


def said(site: Site) -> list[object]:
    """Of each entry in turn: the value of a report, the text of an event, how many gave way, the step of a clock."""
    found: list[object] = []
    for body in (entry.body for entry in site.entries()):
        if isinstance(body, PackEntry):
            found.append(open_pack(body.raw, lambda *_: True)[0].readings[0].mantissa)
        elif isinstance(body, DeviceBody):
            found.append(body.text)
        elif isinstance(body, OverloadBody):
            found.append({"gave way": body.reports})
        elif isinstance(body, CommandBody):
            found.append(body.outcome)
        elif isinstance(body, ClockBody):
            found.append({"step": body.step_ms})
    return found


def test_events_wait_for_a_disk_that_refuses_in_order_with_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A meter was exchanged while the disk was full: its reports came later, that it was another one never."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)

    async def scenario(site: Site) -> None:
        take = refuse(site)
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.committer.failures > 0)
        site.intake.keep(METER_2, DeviceBody("replaced", "serial 8", None), {"serial meter-2": b"8"})
        site.intake.report("meter-2", readings(1))
        refused_at_first = site.intake.keep(GATEWAY_STREAM, CommandBody("gateway", "anna", "configuration", "in force"))
        site.intake.keep(GATEWAY_STREAM, ClockBody(-5000))
        site.intake.report("meter-2", (Reading("x\n", "V", 1, 0, 0, "", 1000), *readings(2)))
        with pytest.raises(LogError, match="no space"):
            await refused_at_first
        failures = site.committer.failures
        await until(lambda: site.committer.failures > failures + 2)
        assert site.intake.unstored == 7
        site.clock.now_ms += 60_000
        take()
        await until(lambda: site.log.size == 7)
        assert said(site)[:5] == [0, "serial 8", 1, "in force", {"step": -5000}] and said(site)[6] == 2
        assert site.log.note("serial meter-2") == b"8"
        assert {entry.logged_at_ms for entry in site.entries() if entry.kind != EntryKind.PACK} == {1_763_676_000_000}
        assert site.intake.unstored == 0

    run(tmp_path, scenario)


def test_a_database_that_cannot_be_read_either_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A memory card that dies: the heads are read after a commit that failed, and that ended the whole gateway."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)

    async def scenario(site: Site) -> None:
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.log.size == 1)
        take, heads, asked = refuse(site), site.log._store.chain_heads, list[int]()

        def damaged() -> object:
            asked.append(1)
            raise sqlite3.DatabaseError("database disk image is malformed")

        monkeypatch.setattr(site.log._store, "chain_heads", damaged)
        for value in range(1, 4):
            site.intake.report("meter-2", readings(value))
        await until(lambda: len(asked) > 2)
        await site.intake.flush()
        code, text = await refused(site.accept(chain(1)[0]))
        assert code == link.BUSY and "malformed" in text and site.intake.unstored == 3
        take()
        monkeypatch.setattr(site.log._store, "chain_heads", heads)
        await until(lambda: site.log.size == 4)
        assert said(site) == [0, 1, 2, 3]

    run(tmp_path, scenario)


def test_a_log_that_is_removed_under_the_gateway_takes_nothing_more(tmp_path: Path):
    """Files that are unlinked can be written on for ever: all was good, and nothing of it was to be found."""

    async def scenario(site: Site) -> None:
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.log.size == 1)
        shutil.rmtree(tmp_path)
        site.intake.report("meter-2", readings(1))
        await until(lambda: "was removed or replaced" in site.committer.problem)
        assert site.intake.unstored == 1

    run(tmp_path, scenario)


def test_events_that_give_way_are_those_of_their_own_stream_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(queue, "_MOST_OWN", 3)
    monkeypatch.setattr(module, "_WAITING", 2)

    async def scenario(site: Site) -> None:
        take = refuse(site)
        site.intake.keep(METER_2, DeviceBody("replaced", "serial 8", None))
        await until(lambda: site.committer.failures > 0)
        for count in range(8):
            site.intake.keep(device_stream("meter-3"), DeviceBody("back", f"{count}", None))
            gone = site.intake.keep(GATEWAY_STREAM, ClockBody(count))
            if count < 5:
                gone.add_done_callback(lambda each: each.exception())
            site.intake.report("meter-2", readings(count))
        take()
        await until(lambda: site.log.size and not site.intake._reports and not site.intake._unsettled)
        assert "serial 8" in said(site), "those of another device push it out"
        assert [each for each in said(site) if each in list("01234567")] == list("567")
        assert [each for each in said(site) if isinstance(each, int)] == [6, 7]
        assert [each for each in said(site) if each in [{"step": count} for count in range(8)]] == [
            {"step": count} for count in (5, 6, 7)
        ]
        gave_way = [
            (entry.stream, entry.body.reports) for entry in site.entries() if isinstance(entry.body, OverloadBody)
        ]
        assert sorted(gave_way) == [(METER_2, 6), (device_stream("meter-3"), 5)]
        assert "5 entries gave way, the log took nothing" in said(site)

    run(tmp_path, scenario)


def test_commands_that_give_way_leave_a_log_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No overload may stand in a journal's stream: the gateway could not start again on a log that had one."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(queue, "_MOST_OWN", 3)

    async def scenario(site: Site) -> None:
        take = refuse(site)
        for count in range(8):
            site.intake.keep(journal_stream("desk"), CommandBody("battery", "anna", f"{count}", "request"))
        await until(lambda: site.committer.failures > 0)
        take()
        await until(lambda: site.log.size and not site.intake._reports and not site.intake._unsettled)
        commands = [each.body for each in site.entries() if isinstance(each.body, CommandBody)]
        named = [each for each in commands if each.outcome.endswith("entries gave way, the log took nothing")]
        assert len(named) == 1 and len(commands) + int(named[0].outcome.split()[0]) == 9

    run(tmp_path, scenario)


def test_a_step_of_the_clock_is_told_when_the_disk_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The watch ended with the error, and began again with the clock as it was by then."""
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    monkeypatch.setattr(watch_module, "_LOOK_EVERY_S", 0.01)

    class Stepped(FakeClock):
        def monotonic(self) -> float:
            return 0.0

    async def scenario(site: Site) -> None:
        clock = Stepped()
        watch = ClockWatch(site.intake, clock)
        async with background(watch.run):
            await until(lambda: watch.pulse().moved() > 1)
            take = refuse(site)
            clock.now_ms += 7_200_000
            await until(lambda: site.committer.failures > 1)
            take()
            await until(lambda: site.log.size == 1)
        assert said(site) == [{"step": 7_200_000}]

    run(tmp_path, scenario)


def test_when_memory_is_short_what_waits_for_the_disk_gives_way_by_name(tmp_path: Path):
    """The disk stands still: reports are dropped, the oldest first, and a node is asked to keep its pack."""

    async def scenario(site: Site) -> None:
        raws = chain(2)
        await site.accept(raws[0])
        release = threading.Event()
        append = site.log.append_entries

        def slow(entries: Sequence[Append]) -> int:
            release.wait(PATIENCE_S)
            return append(entries)

        site.log.append_entries = slow  # type: ignore[method-assign]
        site.intake.report("meter-2", readings(0))
        await until(lambda: site.committer.in_call)
        site.intake.memory.limit_bytes = 0
        for value in range(1, 4):
            site.intake.report("meter-2", readings(value))
            if value < 3:
                await until(lambda: not site.intake.waiting)  # handed over: memory is short, yet nothing waits here
        code, text = await refused(site.accept(raws[1]))
        assert code == link.BUSY and "memory" in text
        release.set()
        site.log.append_entries = append  # type: ignore[method-assign]
        site.intake.memory.limit_bytes = inf
        await until(lambda: site.log.size == 5)
        assert (await site.accept(raws[1])).sequence == 1

    run(tmp_path, scenario)


def test_no_more_reports_than_some_are_handed_to_a_slow_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What waits beyond that is bounded by its policy, and named in the log when it gives way."""
    monkeypatch.setattr(module, "_WAITING", 5)
    monkeypatch.setattr(Intake._log_reports, "__defaults__", (3,))

    async def scenario(site: Site) -> None:
        site.intake.report("meter-2", readings(99))
        await until(lambda: site.log.size == 1)
        release = threading.Event()
        append = site.log.append_entries

        def slow(entries: Sequence[Append]) -> int:
            release.wait(PATIENCE_S)
            return append(entries)

        site.log.append_entries = slow  # type: ignore[method-assign]
        for value in range(20):
            site.intake.report("meter-2", readings(value))
            await asyncio.sleep(0.01)
        assert site.intake.counters["packs"] == 1 + 3, "the committer holds no more"
        release.set()
        await until(lambda: site.log.size == 1 + 3 + 5 + 1)
        polled = [open_pack(raw, lambda *_: True)[0] for raw in site.raws()]
        assert [pack.readings[0].mantissa for pack in polled] == [99, 0, 1, 2, 15, 16, 17, 18, 19]
        dropped = [each for each in site.entries() if isinstance(each.body, OverloadBody)]
        assert [(each.stream, each.body) for each in dropped] == [(METER_2, OverloadBody(12, "discard-oldest"))]

    run(tmp_path, scenario)


def test_memory_is_short_from_four_fifths_of_its_limit_on():
    now, used = [0.0], [700]
    memory = MemoryWatch(1000, lambda: used[0], lambda: now[0])
    assert not memory.is_short()
    used[0] = 801
    assert not memory.is_short(), "the kernel is not asked twice within a second"
    now[0] = 1.0
    assert memory.is_short()
    assert resident_bytes() > 5_000_000


def test_a_share_of_the_disk_holds_for_devices_without_retention(tmp_path: Path):
    async def scenario(site: Site) -> None:
        for value in range(1100):
            site.intake.report("meter-2", readings(value))
        await until(lambda: site.log.size == 1100)
        before = site.log.disk_bytes()
        expiry = Expiry(site.committer, site.clock, {}, [], 0.01, Share([METER_2], lambda: before // 2))

        async def is_kept(index: int) -> bool:  # asked in the log's thread: it is the one that erases
            (record,) = await site.committer.call(lambda log: log.records(index, 1))
            return bool(record.entry)

        async with background(expiry.run):
            await until(lambda: expiry.erased > 0)
        assert not await is_kept(0)
        assert await is_kept(1090)

    run(tmp_path, scenario)


def test_heads_that_were_asked_for_twice_do_not_go_back(tmp_path: Path):
    """At the start a node's pack and a meter's report both ask the log; the later answer is older than what follows."""

    async def scenario(site: Site) -> None:
        ask, held = site.committer.call, list[asyncio.Event]()

        async def hold_heads(function):  # type: ignore[no-untyped-def]
            answer = await ask(function)
            if isinstance(answer, dict):
                held.append(asyncio.Event())
                await held[-1].wait()
            return answer

        site.committer.call = hold_heads  # type: ignore[method-assign]
        site.intake.report("meter-2", readings(0))
        await until(lambda: len(held) == 1)
        accepting = asyncio.create_task(site.accept(chain(1)[0]))
        await until(lambda: len(held) == 2)
        held[0].set()
        await until(lambda: site.log.size == 1)
        held[1].set()
        await accepting
        site.intake.report("meter-2", readings(1))
        await until(lambda: site.log.size == 3)
        polled = [open_pack(raw, lambda *_: True)[0] for raw in site.raws("meter-2")]
        assert [pack.sequence for pack in polled] == [0, 1]

    run(tmp_path, scenario)


def test_a_flood_of_one_node_is_refused_and_takes_nothing_of_another(tmp_path: Path):
    async def scenario(site: Site) -> None:
        site.source.rate = Rate(60)
        raws = chain(70)
        for raw in raws[:60]:
            await site.accept(raw)
        code, text = await refused(site.accept(raws[60]))
        assert code == link.BUSY and "more than 60 packs an hour" in text and "packs_per_hour" in text
        assert site.source.counters["too many packs"] == 1 and site.log.size == 60
        other = NodeSource("node-2", frozenset({"meter-1"}), rate=Rate(60))
        first = sign_pack(Pack("meter-1", 1, 0, 2, NO_PREVIOUS, readings(5)), OTHER.kid, OTHER.sign)
        await site.intake.accept(first, (1, 0), other)
        site.clock.now_ms += 60_000
        await site.accept(raws[60])
        assert (await refused(site.accept(raws[61])))[0] == link.BUSY
        assert site.log.size == 62, "one more after a minute, and what was refused the node still has"

    run(tmp_path, scenario)


@given(st.lists(st.tuples(st.floats(0, 10_000), st.integers(0, 200)), max_size=30), st.integers(60, 3600))
def test_a_rate_lets_through_an_hours_worth_and_never_more(steps: list[tuple[float, int]], per_hour: int):
    rate, now_s, taken = Rate(per_hour), 0.0, list[float]()
    for pause_s, asked in steps:
        now_s += pause_s
        taken += [now_s for _ in range(asked) if rate.take(now_s)]
    for begin in taken:
        # A bucket that was full, and what an hour brings.
        assert sum(begin <= at <= begin + 3600 for at in taken) <= 2 * per_hour + 1


def test_a_board_in_anothers_place_begins_its_own_chain(tmp_path: Path):
    """Boot 1 of the new board is not boot 1 of the old one: neither a repetition nor late."""

    async def scenario(site: Site) -> None:
        for raw in chain(3):
            await site.accept(raw)
        new = NodeSource("node-2", frozenset({"meter-1"}))
        previous = NO_PREVIOUS
        for sequence in range(3):
            raw = sign_pack(Pack("meter-1", 1, sequence, 2, previous, readings(sequence)), OTHER.kid, OTHER.sign)
            previous = pack_hash(raw)
            await site.intake.accept(raw, (1, 0), new)
        assert site.kinds() == [EntryKind.PACK] * 6 and not new.counters["late"] and not new.counters["repeated"]

    run(tmp_path, scenario)


def test_what_fills_no_named_gap_is_not_taken_as_late(tmp_path: Path):
    """A pack of boot 1, sequence 5000, behind boot 2: the chain proves that there never was one."""

    async def scenario(site: Site) -> None:
        first = sign_pack(Pack("meter-1", 1, 0, 2, NO_PREVIOUS, readings(0)), NODE.kid, NODE.sign)
        second = sign_pack(Pack("meter-1", 2, 0, 2, pack_hash(first), readings(1)), NODE.kid, NODE.sign)
        await site.accept(first)
        await site.accept(second, (2, 0))
        stray = sign_pack(Pack("meter-1", 1, 5000, 2, pack_hash(first), readings(2)), NODE.kid, NODE.sign)
        code, text = await refused(site.accept(stray, (1, 5000)))
        assert code == link.REFUSED and "fills no named gap" in text
        assert site.kinds() == [EntryKind.PACK] * 2

    run(tmp_path, scenario)


def made(boot: int, sequence: int, previous: bytes, value: int = 0) -> bytes:
    return sign_pack(Pack("meter-1", boot, sequence, 2, previous, readings(value)), NODE.kid, NODE.sign)


def test_what_the_packs_beside_it_speak_against_is_not_taken_as_late(tmp_path: Path):
    """A gap without an end gives up every later number of its boot; what the chain has since proven stays proven."""

    async def scenario(site: Site) -> None:
        first = made(1, 0, NO_PREVIOUS)
        second = made(1, 1, pack_hash(first))
        third = made(2, 0, pack_hash(second))
        await site.accept(first)
        await site.accept(third, (2, 0))  # nobody knows how far boot 1 went
        assert site.kinds() == [EntryKind.PACK, EntryKind.GAP, EntryKind.PACK]
        for stray in (made(1, 1, bytes(15) + b"x"), made(1, 1, NO_PREVIOUS)):
            code, text = await refused(site.accept(stray, (1, 1)))
            assert code == link.REFUSED and "the packs beside it say so" in text
        await site.accept(second, (1, 1))
        code, text = await refused(site.accept(made(1, 5000, pack_hash(second)), (1, 5000)))
        assert code == link.REFUSED and "the packs beside it say so" in text
        assert site.kinds() == [EntryKind.PACK, EntryKind.GAP, EntryKind.PACK, EntryKind.PACK]
        assert site.source.counters["late"] == 1 and site.source.counters["in no gap"] == 3

    run(tmp_path, scenario)


def test_two_contents_of_a_lost_number_that_come_at_once_are_taken_once(tmp_path: Path):
    async def scenario(site: Site) -> None:
        first = made(1, 0, NO_PREVIOUS)
        lost = [made(1, 1, pack_hash(first), value) for value in range(3)]
        await site.accept(first)
        await site.accept(made(1, 3, b"?" * 16), (1, 3))
        answers = await asyncio.gather(*(site.accept(raw, (1, 1)) for raw in lost), return_exceptions=True)
        assert sum(isinstance(each, PackRefused) for each in answers) == 2 and len(site.raws()) == 3

    run(tmp_path, scenario)


def test_of_a_gap_without_an_end_what_is_still_missing_is_named_behind_what_came(tmp_path: Path):
    async def scenario(site: Site) -> None:
        await site.accept(made(1, 0, NO_PREVIOUS))
        await site.accept(made(2, 0, b"?" * 16), (2, 0))
        await site.accept(made(1, 3, b"!" * 16), (1, 3))
        gaps = [
            (each.body.boot, each.body.first, each.body.last) for each in site.entries() if each.kind == EntryKind.GAP
        ]
        assert gaps == [(1, 1, None), (1, 1, 2)]

    run(tmp_path, scenario)


@pytest.mark.parametrize("boot", [2**32 - 1, 2**32 - 2**16, 1 + 2**20 + 1])
def test_a_boot_number_that_would_lock_out_every_successor_is_not_taken(tmp_path: Path, boot: int):
    async def scenario(site: Site) -> None:
        first = sign_pack(Pack("meter-1", 1, 0, 2, NO_PREVIOUS, readings(0)), NODE.kid, NODE.sign)
        await site.accept(first)
        leap = sign_pack(Pack("meter-1", boot, 0, 2, pack_hash(first), readings(1)), NODE.kid, NODE.sign)
        code, text = await refused(site.accept(leap, (boot, 0)))
        assert code == link.REFUSED and "out of all proportion" in text
        assert site.source.counters["boot leaps"] == 1 and site.log.size == 1
        after = sign_pack(Pack("meter-1", 2, 0, 2, pack_hash(first), readings(1)), NODE.kid, NODE.sign)
        await site.accept(after, (2, 0))

    run(tmp_path, scenario)
