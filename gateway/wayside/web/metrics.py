"""The state of the gateway as Prometheus metrics (text exposition format 0.0.4). The names are stable: docs/service.md.

Imports nothing of the gateway: it reads what `recorder` tells.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = dict[str, str]


class Family(NamedTuple):
    """One metric: its samples are (labels, value); None is left out."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Labels, float | int | None]]


def exposition(state: dict[str, Any]) -> str:
    """The metrics of a `Recorder.state`."""
    return "".join(_lines(families(state)))


def _lines(all_families: Iterable[Family]) -> Iterator[str]:
    for family in all_families:
        yield f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"
        for labels, value in family.samples:
            if value is not None:
                inner = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
                yield f"{family.name}{{{inner}}} {value}\n" if inner else f"{family.name} {value}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def families(state: dict[str, Any]) -> Iterator[Family]:
    """Every metric, also those without a sample."""
    yield Family("wayside_info", "gauge", "The site.", [({"site": state["site"], "log": state["log"]["origin"]}, 1)])
    yield Family("wayside_problems", "gauge", "What an operator should look at.", _problems(state["problems"]))
    yield from _machine(state)
    yield from _log(state["log"], state["intake"])
    yield from _devices(state)
    yield from _radios(state.get("radios", {}))
    yield from _north(state)
    rows = state.get("certificates", [])
    ends = [({"part": row["part"], "certificate": row["what"]}, row["not_after_ms"] // 1000) for row in rows]
    yield Family("wayside_certificate_not_after_timestamp_seconds", "gauge", "When a certificate ends.", ends)
    restarts = [({"task": task}, count) for task, count in state["restarts"].items()]
    yield Family("wayside_task_restarts_total", "counter", "Tasks that were started again.", restarts)


def _problems(problems: list[dict[str, str]]) -> Iterator[tuple[Labels, int]]:
    for level in ("bad", "warning"):
        yield {"level": level}, sum(problem["level"] == level for problem in problems)


def _machine(state: dict[str, Any]) -> Iterator[Family]:
    synchronized = int(state["time_quality"] == "synced")
    yield Family(
        "wayside_clock_synchronized", "gauge", "1 while NTP, PTP or GNSS holds the clock.", [({}, synchronized)]
    )
    yield Family("wayside_disk_free_bytes", "gauge", "Free on the log's disk.", [({}, state["disk"]["free"])])
    yield Family("wayside_disk_size_bytes", "gauge", "Size of the log's disk.", [({}, state["disk"]["total"])])


def _log(log: dict[str, Any], intake: dict[str, int]) -> Iterator[Family]:
    yield Family("wayside_log_entries_total", "counter", "Entries under the last checkpoint.", [({}, log["size"])])
    yield Family("wayside_log_commits_total", "counter", "Commits that are on disk.", [({}, log["commits"])])
    yield Family("wayside_log_commit_failures_total", "counter", "Commits that failed.", [({}, log["failures"])])
    yield Family("wayside_log_checkpoint_age_seconds", "gauge", "Since the log grew.", [({}, log["age_s"])])
    events = [({"event": event}, count) for event, count in intake.items()]
    yield Family("wayside_intake_total", "counter", "What the intake took and refused.", events)


def _devices(state: dict[str, Any]) -> Iterator[Family]:
    buses = state["buses"]
    devices = [
        ({"bus": bus, "device": device}, counts)
        for bus, about in buses.items()
        for device, counts in about["devices"].items()
    ]
    connects = [({"bus": bus}, about["connects"]) for bus, about in buses.items()]
    yield Family("wayside_bus_connects_total", "counter", "Connections that were made.", connects)
    for name, text in (
        ("polls", "Polls that were due."),
        ("good_polls", "Polls that had an answer."),
        ("skipped_polls", "Polls for which the bus had no time."),
        ("requests", "Requests that were sent."),
    ):
        counted = [(labels, counts[name]) for labels, counts in devices]
        yield Family(f"wayside_device_{name}_total", "counter", text, counted)
    failures = [
        ({**labels, "kind": kind}, count) for labels, counts in devices for kind, count in counts["failures"].items()
    ]
    yield Family("wayside_device_failures_total", "counter", "Requests that failed, by kind.", failures)
    dead = [(labels, int(counts["unreachable"])) for labels, counts in devices]
    yield Family("wayside_device_unreachable", "gauge", "1 while it does not answer.", dead)
    p99 = [(labels, _seconds(counts["answer_p99_ms"])) for labels, counts in devices]
    yield Family("wayside_device_answer_p99_seconds", "gauge", "99 % of the last answers were faster.", p99)
    good = [(labels, _seconds(counts["last_good_ms"])) for labels, counts in devices]
    yield Family("wayside_device_last_good_timestamp_seconds", "gauge", "Time of the last good poll.", good)
    ages = [({"device": device}, min(each["age_s"] for each in values)) for device, values in state["devices"].items()]
    yield Family("wayside_device_reading_age_seconds", "gauge", "Age of its youngest reading.", ages)
    bad = [({"device": device}, _bad(values)) for device, values in state["devices"].items()]
    yield Family("wayside_device_bad_channels", "gauge", "Channels whose last reading is bad.", bad)
    stale = [({"device": device}, _stale(values)) for device, values in state["devices"].items()]
    yield Family("wayside_device_stale_channels", "gauge", "Channels without a reading for three reports.", stale)
    nodes = [
        ({"node": node, "event": event}, count)
        for node, about in state["nodes"].items()
        for event, count in about["counters"].items()
    ]
    yield Family("wayside_node_events_total", "counter", "What happened on the link to a node.", nodes)


def _radios(radios: dict[str, Any]) -> Iterator[Family]:
    used = [
        ({"radio": radio}, about["airtime_us"] / about["airtime_limit_us"])
        for radio, about in radios.items()
        if about["airtime_limit_us"]
    ]
    yield Family("wayside_radio_airtime_used_ratio", "gauge", "Of the board's airtime in the last hour.", used)
    events = [
        ({"radio": radio, "part": part, "event": event}, count)
        for radio, about in radios.items()
        for part in ("on_board", "link", "frames")
        for event, count in about[part].items()
    ]
    yield Family("wayside_radio_events_total", "counter", "What a radio board and its link count.", events)
    nodes = [({"node": node}, told) for about in radios.values() for node, told in about["nodes"].items()]
    counts = [({**labels, "event": event}, count) for labels, told in nodes for event, count in told["counts"].items()]
    yield Family("wayside_air_node_events_total", "counter", "What a node on the air says that it counts.", counts)
    waiting = [(labels, told["waiting"]) for labels, told in nodes]
    yield Family("wayside_air_node_unsigned_reports", "gauge", "Reports that wait for its signature.", waiting)


def _north(state: dict[str, Any]) -> Iterator[Family]:
    for name, kind, text in (
        ("connected", "gauge", "1 while its far side is reached."),
        ("delivered", "counter", "Entries delivered since the start."),
        ("lag", "gauge", "Entries not delivered yet."),
        ("failures", "counter", "Connections that failed or broke."),
        ("dead_letters", "counter", "Entries that the far side will never take."),
        ("unproven", "counter", "Entries delivered of which nobody knows whether anybody could hear them."),
    ):
        counted = [({"sink": sink}, int(about[name])) for sink, about in state["sinks"].items()]
        yield Family(f"wayside_sink_{name}{'_total' if kind == 'counter' else ''}", kind, text, counted)
    if remote := state.get("remote"):
        requests = [({"outcome": outcome}, count) for outcome, count in remote["requests"].items()]
        yield Family("wayside_remote_requests_total", "counter", "Site files that were asked for from afar.", requests)
        reached = int(remote["connected"])
        yield Family("wayside_remote_connected", "gauge", "1 while operators can reach it.", [({}, reached)])
    owed = [({"sink": sink}, about["lag"]) for sink, about in state["backlogs"].items()]
    yield Family("wayside_sink_backlog_lag", "gauge", "Entries that ended epochs owe.", owed)
    cosigned = [({"witness": name}, about["cosigned"]) for name, about in state["witnesses"].items()]
    yield Family("wayside_witness_cosigned_entries", "gauge", "Entries that it has co-signed.", cosigned)
    claims = [({"witness": name}, about["unshown_claims"]) for name, about in state["witnesses"].items()]
    yield Family("wayside_witness_unshown_claims_total", "counter", "Refusals without a reason shown.", claims)
    when = [({"witness": name}, _seconds(about["cosigned_ms"])) for name, about in state["witnesses"].items()]
    yield Family("wayside_witness_cosigned_timestamp_seconds", "gauge", "Time of its last cosignature.", when)


def _bad(values: list[dict[str, Any]]) -> int:
    return sum(each["quality"] == "bad" for each in values)


def _stale(values: list[dict[str, Any]]) -> int:
    return sum(each["quality"] == "stale" for each in values)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
