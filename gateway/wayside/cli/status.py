"""`wayside status SITE`: how the running gateway of a site is doing.

Exit status: 0 nothing is down, 1 no gateway is running for this site, 2 the site file cannot be used, 3 the gateway
runs, but something that it needs is down: a device, a node, a bus, a sink, the log; the standard error says which.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wayside import config
from wayside.certificates import sentence
from wayside.daemon.status import SOCKET, ask
from wayside.printable import printable
from wayside.reason import reason
from wayside.web.recorder import bus_trouble, problems

LONGEST = 1000  # characters of a line


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("status", help="show how the running gateway is doing")
    parser.add_argument("site", type=Path, metavar="SITE", help="the site file")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(args: argparse.Namespace) -> int:
    try:
        site = config.load_without_profiles(args.site)
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    path = args.site.parent / site.site.state / SOCKET
    try:
        told = ask(path)
    except (OSError, ValueError) as error:
        why = reason(error)
        print(f"wayside status: no gateway answers ({why}); start it: wayside run {args.site}", file=sys.stderr)
        return 1
    print(json.dumps(told, indent=1) if args.json else "\n".join(lines(told, time.time())))
    down = [each["text"] for each in problems(told) if each["level"] == "bad"]
    for text in down:
        print(printable(f"wayside status: {text}", LONGEST), file=sys.stderr)
    return 3 if down else 0


def lines(told: dict[str, Any], now_s: float) -> Iterator[str]:
    """What the gateway tells, a line each; nodes, brokers and others have chosen some of the words."""
    return (printable(line, LONGEST) for line in _lines(told, now_s))


def _lines(told: dict[str, Any], now_s: float) -> Iterator[str]:
    log = told["log"]
    yield f"log    {log['origin']}: {log['size']} entries, {log['commits']} commits, {log['failures']} failed"
    if log.get("problem"):
        yield f"log    NOTHING IS STORED: {log['problem']}"
    if why := told.get("clock"):
        yield f"clock  NOT BELIEVED: {why}"
    for name, why in told.get("failing", {}).items():
        yield f"{name}: DOES NOT RUN: {why}"
    for name, witness in told["witnesses"].items():
        age = _age(witness["cosigned_ms"], now_s)
        trouble = f": {witness['last_error']}" if witness["last_error"] else ""
        if claims := witness["unshown_claims"]:
            trouble += f"; CLAIMS, AND DOES NOT SHOW, {claims} times"
        yield f"witness {name}: {witness['cosigned']} of {log['size']} entries co-signed, {age}{trouble}"
    for name, node in told["nodes"].items():
        yield f"node   {name}: {node['board'] or 'board not told'} {node['firmware']}: {_counters(node['counters'])}"
    for name, bus in told["buses"].items():
        trouble = f"; CANNOT BE USED: it {bus_trouble(bus['last_error'])}" if bus["last_error"] else ""
        yield f"bus    {name}: connected {bus['connects']} times{trouble}"
        yield f"  {'device':<20} {'state':<12} {'polls':>8} {'good':>8} {'p99 ms':>8}  last good  failures"
        for device, counts in bus["devices"].items():
            state = "UNREACHABLE" if counts["unreachable"] else "good" if counts["good_polls"] else "waiting"
            p99 = "-" if counts["answer_p99_ms"] is None else f"{counts['answer_p99_ms']:.1f}"
            polls = f"{counts['polls']:>8} {counts['good_polls']:>8} {p99:>8}  {_age(counts['last_good_ms'], now_s):<9}"
            yield f"  {device:<20} {state:<12} {polls}  {_counters(counts['failures'])}"
    for name, radio in told.get("radios", {}).items():
        limit = radio["airtime_limit_us"]
        used = f"{100 * radio['airtime_us'] / limit:.1f} % of its airtime used" if limit else "airtime not told"
        used += ", SHORT OF AIRTIME" if radio["short"] else ""
        yield f"radio  {name}: {radio['board'] or 'board not told'}, {used}: {_counters(radio['frames'])}"
        yield f"  on the board: {_counters(radio['on_board'])}; link: {_counters(radio['link'])}"
        for node, about in radio["nodes"].items():
            state = f"configuration: {about['configuration']}; {about['waiting']} reports wait for its signature"
            state += "; SHORT OF AIRTIME" if about["short"] else ""
            yield f"  {node:<20} {state}; since its start: {_counters(about['counts'])}"
    for name, adapter in told.get("bluetooth", {}).items():
        trouble = f"; last error: {adapter['last_error']}" if adapter["last_error"] else ""
        strangers = f"; {adapter['strangers']} advertisements of strangers"
        yield f"ble    {name}: {_counters(adapter['scan'])}{strangers}{trouble}"
        for device, about in adapter["sensors"].items():
            anew = f"; COUNTER STARTED ANEW: {about['restarted']}" if about["restarted"] else ""
            yield f"  {device:<20} {_counters(about['counts'])}{anew}"
    for device, counts in (told.get("environment", {}) | told.get("adapters", {})).items():
        yield f"read   {device}: {_counters(counts)}"
    for name, sink in told["sinks"].items():
        state = "connected" if sink["connected"] else f"NOT CONNECTED: {sink['last_error']}"
        yield f"sink   {name}: {state}, {sink['delivered']} delivered, {sink['lag']} behind"
        if sink["held"]:
            yield f"sink   {name}: NOT TAKEN, asked again and again: {sink['held']}"
        if sink["not_announced"]:
            yield f"sink   {name}: NOT ANNOUNCED, tried again: {sink['not_announced']}"
        for why, count in sink["refused"].items():
            yield f"sink   {name}: {count} REFUSED for good, see wayside log: {why}"
        if sink["unproven"]:
            doubt = sink["doubt"] or "what comes now is heard"
            yield f"sink   {name}: of those delivered {sink['unproven']} are NOT KNOWN TO HAVE BEEN HEARD: {doubt}"
    for name, journal in told["journals"].items():
        yield f"journal {name}: {journal['problem'] or str(journal['taken']) + ' entries taken'}"
    for name, backlog in told["backlogs"].items():
        if backlog["lag"]:
            yield f"sink   {name}: {backlog['lag']} entries of an epoch that has ended are still to be sent"
        for why, count in backlog["refused"].items():
            yield f"sink   {name}: {count} of an epoch that has ended REFUSED for good, see wayside log: {why}"
        if backlog["unproven"]:
            yield f"sink   {name}: {backlog['unproven']} of an epoch that has ended are NOT KNOWN TO HAVE BEEN HEARD"
        for epoch, why in backlog["lost"].items():
            yield f"sink   {name}: what epoch {epoch} owes it CANNOT BE SENT: {why}"
    if remote := told.get("remote"):
        state = "connected" if remote["connected"] else f"NOT CONNECTED: {remote['last_error']}"
        yield f"remote: {state}; requests: {_counters(remote['requests'])}"
    for row in told.get("certificates", []):
        yield sentence(row)
    yield f"intake {_counters(told['intake'])}"
    if told["restarts"]:
        yield f"tasks started again: {_counters(told['restarts'])}"


def _counters(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing yet"


def _age(last_good_ms: int | None, now_s: float) -> str:
    return "never" if last_good_ms is None else f"{max(0.0, now_s - last_good_ms / 1000):.0f} s ago"
