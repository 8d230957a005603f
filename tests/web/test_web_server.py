"""Who is let in, what programs read, and what never leaves: the status site without a browser."""

import asyncio
import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

aiohttp = pytest.importorskip("aiohttp")

from wayside.parts.about import Family  # noqa: E402
from wayside.web import metrics, users  # noqa: E402
from wayside.web.chart import Chart  # noqa: E402
from wayside.web.server import Server, StatusSite, StatusSiteSettings  # noqa: E402

STATE: dict[str, Any] = {"site": "test.example", "problems": []}
FAMILIES = [Family("wayside_sink_lag", "gauge", "Entries.", [({"sink": "city"}, 4)])]


class Recorder:
    """Tells one state."""

    def state(self) -> dict[str, Any]:
        return STATE

    def charts(self) -> dict[str, Any]:
        return {}

    def families(self) -> list[Family]:
        return FAMILIES


def _command(request: dict[str, Any], who: str) -> dict[str, Any]:
    if request.get("target") != "battery power_limit":
        raise ValueError("unknown actuator")
    return {"ok": True, "text": f"{who} asks"}


@contextmanager
def server(folder: Path, **roles: str) -> Iterator[Server]:
    for name, role in roles.items():
        users.save(folder / "users", name, role, f"{name} has a password")
    site = StatusSite(Recorder(), lambda: b"bundle", lambda: None, _command)  # type: ignore[arg-type]
    yield Server(StatusSiteSettings("127.0.0.1", 0, folder / "users" if roles else None), site, lambda: 0.0)


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


def test_a_metric_is_written_as_the_format_wants_it():
    samples = [({"bus": 'cabinet "1"', "device": "a\\b\nc"}, 1), ({"bus": "roof", "device": "m"}, None)]
    text = metrics.exposition([Family("wayside_device_unreachable", "gauge", "1 while it does not answer.", samples)])
    assert text.splitlines() == [
        "# HELP wayside_device_unreachable 1 while it does not answer.",
        "# TYPE wayside_device_unreachable gauge",
        'wayside_device_unreachable{bus="cabinet \\"1\\"",device="a\\\\b\\nc"} 1',
    ]


def test_a_chart_spans_a_day_in_a_bounded_number_of_points():
    chart = Chart()
    for second in range(0, 3 * 86_400, 1):
        chart.add(1000 * second, str(second))
        assert len(chart.points) <= 240
    span_ms = chart.points[-1][0] - chart.points[0][0]
    assert abs(span_ms - 86_400_000) <= 360_000
    chart.add(5, "after the clock was set back")
    assert len(chart.points) == 1


def test_only_an_operator_commands_and_the_desk_knows_who(tmp_path: Path):
    async def told(made: Server, name: str, body: bytes, **headers: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{made.port}/desk"
        auth = basic(name, f"{name} has a password")["headers"]
        async with aiohttp.ClientSession() as session, session.post(url, data=body, headers=auth | headers) as answer:
            return answer.status, await answer.text()

    async def scenario() -> None:
        with server(tmp_path, vera="viewer", tom="technician", olga="operator") as made:
            async with made.serving():
                ask = b'{"do": "ask", "target": "battery power_limit"}'
                assert (await told(made, "vera", ask))[0] == 403
                assert (await told(made, "tom", ask))[0] == 403
                assert await told(made, "olga", ask) == (200, '{"ok": true, "text": "operator olga asks"}')
                assert await told(made, "olga", b"{}") == (409, '{"ok": false, "error": "unknown actuator"}')
                for body in (b"", b"[]", b"{", b"\xff", b'{"a":' * 3000):
                    assert (await told(made, "olga", body))[0] == 409, body[:20]
                assert (await told(made, "olga", b"1" * 20_000))[0] == 413
                assert (await told(made, "olga", ask, Origin="http://elsewhere.example"))[0] == 403

    asyncio.run(scenario())


def test_where_no_users_are_set_up_nobody_commands(tmp_path: Path):
    with server(tmp_path) as made:
        assert answers(made, ("POST", "/desk", {"data": b"{}"})) == [403]
