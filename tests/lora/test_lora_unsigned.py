"""Reports that were heard and never signed: entered into the log as what they are, once, and visible until then."""

import asyncio
from pathlib import Path

import pytest
from test_lora_receiver import PROFILE, START_S, Gateway, Node
from wayside.evidence.kinds import DeviceBody
from wayside.south.lora.store import LoraStore
from wayside.south.lora.unsigned import PATIENCE_MS, Unsigned
from wayside_wire import lora_report as wire
from wayside_wire import pack

WEEK_S = PATIENCE_MS // 1000


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, Node())


def test_what_a_dead_node_never_signed_is_entered_when_its_next_boot_signs(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    gateway.hear(node.report(START_S + 60, -205))
    gateway.hear(node.report(START_S + 120, 3))
    assert gateway.receiver._unsigned.waiting(3) == 2 and not gateway.unsigned
    node.boot, node.counter, node.group, node.sequence = 2, 256, [], 0
    gateway.hear(node.report(9, 70, pack.UNSYNCED))
    gateway.reboot()
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    assert gateway.unsigned == [
        "2026-09-21T14:14:20Z: t -2.05 Cel, rh -2.04 %RH\n2026-09-21T14:15:20Z: t 0.03 Cel, rh 0.04 %RH"
    ]
    assert gateway.counters["reports never signed"] == 2 and gateway.receiver._unsigned.waiting(3) == 0


def test_a_pack_from_the_journal_may_still_want_them(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    late = node.head()  # signed, kept, and not heard
    payload = node.session.open(late)
    node.boot, node.counter, node.sequence = 2, 256, 0
    gateway.hear(node.report(START_S + 600, 2))
    assert node.answer(gateway.hear(node.head(older_held=True))).status == wire.TAKEN
    assert not gateway.unsigned
    assert node.answer(gateway.hear(node.seal(1, payload))).status == wire.TAKEN
    assert not gateway.unsigned and len(gateway.packs) == 2


def test_the_order_of_reports_of_one_boot(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(500, 1, pack.UNSYNCED))  # its head was dropped with the journal
    node.group = []
    gateway.hear(node.report(START_S, 2))
    node.group = []
    gateway.hear(node.report(START_S + 60, 3))
    head = node.head()
    gateway.hear(node.report(START_S + 120, 4))  # later, and still to be signed
    assert node.answer(gateway.hear(node.seal(1, node.session.open(head)))).status == wire.TAKEN
    assert len(gateway.unsigned[0].splitlines()) == 2 and gateway.unsigned[0].startswith("500 s after the start: ")
    assert gateway.receiver._unsigned.waiting(3) == 1


@pytest.mark.parametrize(("before", "after"), [(1, 2), (62, 65), (40, 63)])
def test_boots_are_told_apart_by_six_bits(gateway: Gateway, before: int, after: int) -> None:
    node = gateway.node
    node.boot = before
    gateway.hear(node.report(START_S, 1))
    node.boot, node.group = after, []
    gateway.hear(node.report(START_S - 1000, 2))
    gateway.hear(node.head())
    assert len(gateway.unsigned) == 1


def test_a_node_that_never_came_back_is_told_of_once(gateway: Gateway) -> None:
    node = gateway.node
    bad = [pack.Reading("t", "Cel", None, 0, pack.BAD, "no answer", 0)]
    gateway.hear(node.seal(0, wire.encode_report(PROFILE, 1, pack.SYNCED, START_S, bad)))
    unsigned = gateway.receiver._unsigned

    def overdue(after_s: int) -> int:
        now_ms = gateway.receiver._clock.utc_ms() + 1000 * after_s
        return asyncio.run(unsigned.overdue(3, "air-1", PROFILE, now_ms))

    assert overdue(WEEK_S - 60) == 0 and not gateway.unsigned
    assert overdue(WEEK_S + 60) == 1 and gateway.unsigned == ["2026-09-21T14:13:20Z: t bad (no answer)"]
    gateway.reboot()
    unsigned = gateway.receiver._unsigned
    assert overdue(2 * WEEK_S) == 0 and unsigned.waiting(3) == 1
    # Its head comes after all: the device's word counts, and the entry stays what it was.
    node.group = [wire.AirReport(1, pack.SYNCED, START_S, [bad[0]._replace(time_ms=1000 * START_S)])]
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    assert unsigned.waiting(3) == 0 and len(gateway.unsigned) == 1


def test_a_log_that_refuses_keeps_them_waiting(gateway: Gateway) -> None:
    node = gateway.node
    gateway.hear(node.report(START_S, 1))
    node.boot, node.group = 2, []
    gateway.hear(node.report(START_S + 60, 2))
    gateway.log_refuses = True
    head = node.head()
    assert gateway.hear(head) is None
    gateway.log_refuses = False
    assert node.answer(gateway.hear(node.seal(1, node.session.open(head)))).status == wire.TAKEN
    gateway.hear(node.report(START_S + 120, 3))
    assert node.answer(gateway.hear(node.head())).status == wire.TAKEN
    assert len(gateway.unsigned) == 1


def test_entries_stay_within_what_an_entry_may_have(tmp_path: Path) -> None:
    profile = wire.AirProfile([wire.ReportChannel(f"{place:02}" + "n" * 46, "u" * 16, -2) for place in range(20)])
    wide = [pack.Reading(row.name, row.unit, -(1 << 62), row.exponent, pack.GOOD, "", 0) for row in profile.channels]
    store = LoraStore(tmp_path / "lora.db")
    for place in range(40):
        payload = wire.encode_report(profile, 1, pack.SYNCED, START_S + place, wide)
        store.take(3, place, (3, 1, pack.SYNCED), START_S + place, payload, 0)
    entered: list[int] = []

    async def enter(device: str, reports: int, text: str) -> None:
        assert text.count("\n") + 1 == reports
        DeviceBody("unattested", text, None, reports).encode()  # refuses a text that is too long
        entered.append(reports)

    asyncio.run(Unsigned(store, enter).overdue(3, "air-1", profile, PATIENCE_MS))
    assert sum(entered) == 40 and len(entered) > 2 and min(entered[:-1]) > 1
