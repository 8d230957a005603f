"""The conformance suite: every sink passes it. A new sink adds itself and its far side to far_sides.SINKS."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
from north.far_sides import SINKS, FarSide, Kind
from north.site import FIRST_PACK, NOW_MS, Site
from waiting import running, until
from wayside.net.far_side import FarSideError, FarSideRefused, Rejected, Unreachable
from wayside.north.forward import Forwarder, ForwardLimits
from wayside.north.sink import Batch, Sink
from wayside.trust.keys import SoftwareKey
from wayside_wire.pack import Reading

LIMITS = ForwardLimits(batch_entries=8, send_s=1.0, retry_most_s=0.01, cursor_every_s=0.005, replay_per_s=1e5)
LARGEST = 1100  # bytes: a report and a batch of one entry fit, a large one does not

Scenario = Callable[[Site, FarSide, Sink], Awaitable[None]]


def sinks(fits: Callable[[Kind], bool] = lambda kind: True) -> pytest.MarkDecorator:
    """Run with each kind of sink, or with those that can do what the test is about."""
    return pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in SINKS.items() if fits(kind)])


def conforms(kind: Kind, folder: Path, scenario: Scenario, largest: int | None = None, refuses: bool = False) -> None:
    """Run `scenario` with a sink, its far side and a log."""

    async def run() -> None:
        site = Site(folder / "log")
        async with kind.far_side(site, folder / "far", largest, refuses) as far:
            await scenario(site, far, far.sink(site))
        site.log.close()

    (folder / "far").mkdir()
    asyncio.run(run())


async def batch_of(site: Site, first: int, count: int) -> Batch:
    """So many packs, from the device's pack number `first` on."""
    return Batch(tuple(await site.read(FIRST_PACK + first, count)))


def arrived(far: FarSide) -> list[int]:
    """The numbers of the packs that arrived, repetitions too. Not every sink carries the entry before them, a key."""
    return [index - FIRST_PACK for index in far.indices if index >= FIRST_PACK]


async def attempt(sink: Sink, batch: Batch) -> None:
    async with sink.connect():
        await sink.send(batch)


# --- the sink itself ---


@sinks()
def test_send_returns_when_the_far_side_has_the_whole_batch(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(20)
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 8))
            await sink.send(await batch_of(site, 8, 12))
        await until(lambda: len(arrived(far)) == 20)
        assert sorted(arrived(far)) == list(range(20))

    conforms(kind, tmp_path, scenario)


@sinks()
def test_two_batches_at_a_time(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(40)
        async with sink.connect():
            live, late = await batch_of(site, 20, 20), await batch_of(site, 0, 20)
            await asyncio.gather(sink.send(live), sink.send(Batch(late.records, late=True)))
        await until(lambda: sorted(arrived(far)) == list(range(40)))

    conforms(kind, tmp_path, scenario)


@sinks()
def test_a_far_side_that_is_away_is_unreachable_not_refusing_and_works_again_later(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(5)
        await far.down()
        with pytest.raises(Unreachable) as caught:
            await attempt(sink, await batch_of(site, 0, 5))
        assert not isinstance(caught.value, FarSideRefused)
        assert "Connection refused" in str(caught.value) or "No such file" in str(caught.value), "for people"
        await far.up()
        await attempt(sink, await batch_of(site, 0, 5))
        await until(lambda: set(arrived(far)) == set(range(5)))

    conforms(kind, tmp_path, scenario)


@sinks(lambda kind: kind.has_link)
def test_send_says_unreachable_when_the_link_breaks_meanwhile(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        assert far.proxy
        site.packs(5)
        async with sink.connect():
            far.proxy.passing.clear()
            sending = asyncio.create_task(sink.send(await batch_of(site, 0, 5)))
            await asyncio.sleep(0.05)
            far.proxy.cut()
            with pytest.raises(Unreachable):
                await sending
        far.proxy.passing.set()
        await attempt(sink, await batch_of(site, 0, 5))
        await until(lambda: set(arrived(far)) == set(range(5)))

    conforms(kind, tmp_path, scenario)


@sinks(lambda kind: kind.has_connection)
def test_the_loss_of_an_idle_connection_is_told(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        assert far.proxy
        site.packs(1)
        with pytest.raises(Unreachable):
            await sink.send(await batch_of(site, 0, 1))
        async with sink.connect() as lost:
            far.proxy.cut()
            with pytest.raises(Unreachable):
                async with asyncio.timeout(60):
                    await lost()

    conforms(kind, tmp_path, scenario)


@sinks(lambda kind: kind.has_link)
def test_a_silent_far_side_can_be_given_up(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        assert far.proxy
        site.packs(10)
        far.proxy.passing.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await attempt(sink, await batch_of(site, 0, 5))
        far.proxy.passing.set()
        async with sink.connect():
            far.proxy.passing.clear()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await sink.send(await batch_of(site, 0, 5))
            far.proxy.passing.set()
            await sink.send(await batch_of(site, 5, 5))
        await until(lambda: set(range(5, 10)) <= set(arrived(far)))

    conforms(kind, tmp_path, scenario)


@sinks(lambda kind: kind.can_refuse)
def test_a_far_side_that_says_no_to_all_of_it_refuses(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, _far: FarSide, sink: Sink) -> None:
        site.packs(1)
        with pytest.raises(FarSideRefused):
            await attempt(sink, await batch_of(site, 0, 1))

    conforms(kind, tmp_path, scenario, refuses=True)


@sinks()
def test_entries_that_the_sink_does_not_carry_do_not_stop_it(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        another = site.key_entry(SoftwareKey(b"x" * 32).public)
        site.append(site.gap_entry(0, 0, 2), another, site.pack_entry(site.device.pack()))
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 2))
            await sink.send(await batch_of(site, 2, 1))
        await until(lambda: 2 in arrived(far))

    conforms(kind, tmp_path, scenario)


# --- the sink under the forwarder ---


class Counting:
    """A sink between the forwarder and another one, which counts."""

    def __init__(self, sink: Sink):
        self._sink = sink
        self.connect = sink.connect
        self.sizes: list[int] = []
        self.under_way = self.most_under_way = 0

    async def send(self, batch: Batch) -> None:
        self.sizes.append(len(batch.records))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self._sink.send(batch)
        finally:
            self.under_way -= 1


@sinks()
def test_batches_are_bounded_and_the_cursor_is_on_disk_when_it_stops(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        for total in (30, 50):
            site.packs(total - site.log.size)
            counting = Counting(sink)
            forwarder = Forwarder("s", counting, site, LIMITS)
            async with running(forwarder.run()):
                await until(lambda total=total: forwarder.lag(total) == 0)  # noqa: B023
            assert site.log.cursor("s") == total and max(counting.sizes) <= 8 and counting.most_under_way <= 2
            await until(lambda total=total: len(arrived(far)) >= total - FIRST_PACK)
        assert sorted(arrived(far)) == list(range(50 - FIRST_PACK)), "what the first one delivered is not sent again"

    conforms(kind, tmp_path, scenario)


@sinks()
def test_it_reads_no_more_than_it_sends_and_tells_how_far_behind_it_is(kind: Kind, tmp_path: Path) -> None:
    """Back-pressure: the log is the queue."""

    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        await far.down()
        counting = Counting(sink)
        site.log.set_cursor("s", FIRST_PACK)  # some sinks have nothing to send of a key, and count it as delivered
        forwarder = Forwarder("s", counting, site, LIMITS)
        site.packs(8)
        async with running(forwarder.run()):
            await until(lambda: forwarder.status.failures > 3)
            site.packs(200)
            await until(lambda: forwarder.status.failures > 6)
            assert forwarder.lag(site.log.size) == 208 and forwarder.status.delivered == 0
            assert all(size <= 8 for size in counting.sizes) and counting.most_under_way <= 2
            assert site.log.cursor("s") == FIRST_PACK and forwarder.status.last_error
            await far.up()
            await until(lambda: forwarder.lag(site.log.size) == 0)
            assert not forwarder.status.last_error
        await until(lambda: set(arrived(far)) == set(range(208)))

    conforms(kind, tmp_path, scenario)


@sinks()
def test_it_tries_again_after_times_that_differ(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(3)
        await far.down()
        waits: list[float] = []

        async def sleep(seconds: float) -> None:
            waits.append(seconds)
            await asyncio.sleep(0)

        limits = ForwardLimits(retry_most_s=0.8, cursor_every_s=1e9)
        async with running(Forwarder("s", sink, site, limits, random=Random(7), sleep=sleep).run()):
            await until(lambda: len([each for each in waits if each < 1e9]) > 20)
            await far.up()
            await until(lambda: set(arrived(far)) == set(range(3)))
        between = [each for each in waits if each < 1e9][:20]
        assert all(0 <= each <= min(0.1 * 2**number, 0.8) for number, each in enumerate(between))
        assert len(set(between)) == 20, "full jitter"

    conforms(kind, tmp_path, scenario)


@sinks(lambda kind: kind.can_reject)
def test_an_entry_that_is_never_taken_is_put_aside_with_its_reason(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(11)
        small = site.device.readings
        site.device.readings = [Reading(f"channel_{n}.mean", "V", 10**9 + n, -2, 0, "", NOW_MS + n) for n in range(20)]
        site.packs(1)
        async with sink.connect():
            await sink.send(await batch_of(site, 0, 1))
            with pytest.raises(Rejected):
                await sink.send(await batch_of(site, 11, 1))
        site.device.readings = small
        site.packs(11)
        forwarder = Forwarder("s", sink, site, LIMITS)
        async with running(forwarder.run()):
            await until(lambda: forwarder.lag(site.log.size) == 0)
        assert forwarder.status.dead_letters == 1
        await until(lambda: set(arrived(far)) == set(range(23)) - {11})
        [(name, index, reason)] = site.log.dead_letters()
        assert (name, index) == ("s", FIRST_PACK + 11)
        assert any(word in reason for word in ("at most", "413", "more than")), reason

    conforms(kind, tmp_path, scenario, LARGEST)


@sinks()
def test_nothing_is_lost_wherever_the_link_is_cut(kind: Kind, tmp_path: Path) -> None:
    """In every phase, up and down: connect, handshake, header, middle of a message, acknowledgement."""

    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        ups = [0, 1, 3, 7, 14, 20, 60, 200, 500, 1500, 4000, 9000]
        downs = [*range(13), 20, 40]
        forwarder = Forwarder("s", sink, site, LIMITS)
        async with running(forwarder.run()):
            for up, down in [(up, None) for up in ups] + [(None, down) for down in downs]:
                if far.proxy is None:
                    await far.down()
                    site.packs(12)
                    await asyncio.sleep(0.005)
                    await far.up()
                    continue
                far.proxy.cut_after_up, far.proxy.cut_after_down = up, down
                far.proxy.cut()
                site.packs(12)
                await until(lambda: forwarder.lag(site.log.size) == 0)
            await until(lambda: site.log.cursor("s") == site.log.size)
            assert forwarder.status.failures > 0
        await until(lambda: set(arrived(far)) == set(range(site.log.size - FIRST_PACK)))

    conforms(kind, tmp_path, scenario)


@sinks()
def test_errors_are_for_people(kind: Kind, tmp_path: Path) -> None:
    async def scenario(site: Site, far: FarSide, sink: Sink) -> None:
        site.packs(1)
        await far.down()
        with pytest.raises(FarSideError) as caught:
            await attempt(sink, await batch_of(site, 0, 1))
        assert str(caught.value).endswith((": Connection refused", ": No such file or directory"))
        await far.up()

    conforms(kind, tmp_path, scenario)
