"""Who is let in, what programs read, and what never leaves: the status site without a browser."""

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")

from wayside.web import metrics, users  # noqa: E402
from wayside.web.chart import Chart  # noqa: E402
from wayside.web.recorder import problems  # noqa: E402
from wayside.web.server import Server, Settings, Site  # noqa: E402

DEVICE = {
    "unreachable": True,
    "polls": 7,
    "good_polls": 6,
    "skipped_polls": 0,
    "requests": 9,
    "failures": {"timeout": 1},
    "answer_p99_ms": 12.5,
    "last_good_ms": 1_795_000_000_000,
}
SINK = {
    "connected": False,
    "delivered": 3,
    "lag": 4,
    "failures": 1,
    "dead_letters": 0,
    "last_error": "refused",
    "refused": {"too large": 2},
    "held": "entry 7: too large",
    "unproven": 1,
    "doubt": "nothing comes back",
    "not_announced": "",
}
STATE: dict[str, Any] = {
    "site": "test.example",
    "now_ms": 1_795_000_001_000,
    "time_quality": "synced",
    "disk": {"free": 90, "total": 100},
    "devices": {"meter-1": [{"channel": "voltage", "value": "230", "unit": "V", "quality": "good", "age_s": 2.0}]},
    "log": {"origin": "test.example/log/0", "size": 12, "commits": 3, "failures": 0, "age_s": 1.0},
    "intake": {"packs": 5},
    "nodes": {},
    "buses": {'cabinet "1"': {"connects": 1, "last_error": "", "devices": {"meter-1": DEVICE}}},
    "sinks": {"city": SINK},
    "backlogs": {},
    "journals": {},
    "witnesses": {},
    "restarts": {},
    "problems": [],
}


class Recorder:
    """Tells one state."""

    def state(self) -> dict[str, Any]:
        return STATE

    def charts(self) -> dict[str, Any]:
        return {}


@contextmanager
def server(folder: Path, **roles: str) -> Iterator[Server]:
    for name, role in roles.items():
        users.save(folder / "users", name, role, f"{name} has a password")
    site = Site(Recorder(), lambda: b"bundle", lambda: None)  # type: ignore[arg-type]
    yield Server(Settings("127.0.0.1", 0, folder / "users" if roles else None), site, lambda: 0.0)


def basic(name: str, password: str) -> dict[str, Any]:
    token = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"headers": {"Authorization": f"Basic {token}"}}


def answers(made: Server, *requests: tuple[str, str, dict[str, Any]]) -> list[int]:
    async def scenario() -> list[int]:
        found = []
        async with made.serving(), aiohttp.ClientSession() as session:
            for method, path, more in requests:
                url = f"http://127.0.0.1:{made.port}{path}"
                async with session.request(method, url, allow_redirects=False, **more) as answer:
                    found.append(answer.status)
        return found

    return asyncio.run(scenario())


def test_without_users_only_this_machine_is_answered(tmp_path: Path):
    with server(tmp_path) as made:
        foreign = {"headers": {"Host": "attacker.example"}}
        assert answers(made, ("GET", "/", {}), ("GET", "/", foreign), ("GET", "/support-bundle", {})) == [200, 403, 403]


def test_with_users_nothing_is_shown_before_the_login(tmp_path: Path):
    with server(tmp_path, ada="viewer") as made:
        paths = ("/", "/events", "/metrics", "/support-bundle", "/app.js", "/login", "/../config.py")
        assert answers(made, *(("GET", path, {}) for path in paths)) == [302, 401, 401, 401, 401, 200, 401]


def test_a_role_may_do_what_those_below_may(tmp_path: Path):
    with server(tmp_path, vera="viewer", tom="technician", olga="operator") as made:

        def told(name: str) -> list[int]:
            who = basic(name, f"{name} has a password")
            return answers(made, ("GET", "/metrics", who), ("GET", "/support-bundle", who), ("POST", "/reload", who))

        assert [told("vera"), told("tom"), told("olga")] == [[200, 403, 403], [200, 200, 403], [200, 200, 200]]
        wrong = basic("olga", "a wrong password")
        assert answers(made, ("GET", "/metrics", wrong)) == [401]


def test_another_sites_page_cannot_post(tmp_path: Path):
    with server(tmp_path, olga="operator") as made:
        who = basic("olga", "olga has a password")
        who["headers"]["Origin"] = "http://evil.example"
        assert answers(made, ("POST", "/reload", who)) == [403]


def test_users_are_kept_hashed_and_private(tmp_path: Path):
    file = tmp_path / "users"
    users.save(file, "ada", "viewer", "a long password")
    users.save(file, "bob", "operator", "another password")
    assert file.stat().st_mode & 0o077 == 0 and "password" not in file.read_text()
    known = users.load(file)
    assert users.check(known, "ada", "a long password") == known["ada"]
    assert users.check(known, "ada", "another password") is None and users.check(known, "eve", "x") is None
    with pytest.raises(users.UsersError, match="at least 10"):
        users.save(file, "eve", "viewer", "short")
    file.write_text("ada:king:00:00\n")
    with pytest.raises(users.UsersError, match="users:1: is no user"):
        users.load(file)


def test_a_session_ends_by_itself():
    now = [0.0]
    sessions = users.Sessions(lambda: now[0])
    token = sessions.begin(users.User("ada", "viewer", b"", b""))
    assert sessions.user(token) and sessions.user("another") is None
    now[0] = 13 * 3600
    assert sessions.user(token) is None


def test_every_metric_is_well_formed_and_named_for_good():
    text = metrics.exposition(STATE)
    sample = re.compile(r'[a-z0-9_]+(\{[a-z_]+="(\\.|[^"\\])*"(,[a-z_]+="(\\.|[^"\\])*")*\})? -?[0-9.e+]+')
    lines = text.splitlines()
    assert all(line.startswith("# ") or sample.fullmatch(line) for line in lines), text
    assert 'wayside_device_unreachable{bus="cabinet \\"1\\"",device="meter-1"} 1' in lines
    assert 'wayside_sink_lag{sink="city"} 4' in lines
    assert "wayside_log_entries_total 12" in lines
    for family in metrics.families(STATE):
        assert family.name.endswith("_total") == (family.kind == "counter"), family.name


def test_the_dashboard_asks_only_for_metrics_that_there_are():
    dashboard = Path(__file__).resolve().parents[2] / "gateway" / "grafana" / "wayside.json"
    known = {family.name for family in metrics.families(STATE)}
    asked = set(re.findall(r"wayside_[a-z0-9_]+", dashboard.read_text()))
    assert asked and asked <= known, asked - known
    assert json.loads(dashboard.read_text())["panels"]


def test_problems_are_named_worst_first():
    about = {"board": "", "firmware": "", "counters": {}, "silent_s": None}
    nodes = {"near": {**about, "connected": False}, "far": {**about, "connected": True}}
    told = list(problems({**STATE, "nodes": nodes, "restarts": {"bus x": 2}, "disk": {"free": 1, "total": 100}}))
    assert [problem["level"] for problem in told] == sorted(problem["level"] for problem in told)
    text = " / ".join(problem["text"] for problem in told)
    parts = ("the port of node near is closed", "node far has not been heard since", "meter-1 on")
    for part in (*parts, "sink city is not connected", "nearly full", "bus x (2)"):
        assert part in text


def test_a_chart_spans_a_day_in_a_bounded_number_of_points():
    chart = Chart()
    for second in range(0, 3 * 86_400, 1):
        chart.add(1000 * second, str(second))
        assert len(chart.points) <= 240
    span_ms = chart.points[-1][0] - chart.points[0][0]
    assert abs(span_ms - 86_400_000) <= 360_000
    chart.add(5, "after the clock was set back")
    assert len(chart.points) == 1
