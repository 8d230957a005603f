"""Who may do what on the status site, how one logs in, and how one is out again."""

import asyncio
import io
import os
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from waiting import PATIENCE_S, until

aiohttp = pytest.importorskip("aiohttp")

from north.certificates import Authority  # noqa: E402
from wayside.cli import main  # noqa: E402
from wayside.settings.secret_role import Role  # noqa: E402
from wayside.site.secret_files import make_folder  # noqa: E402
from wayside.web import guesses, users  # noqa: E402
from wayside.web import server as site_server  # noqa: E402
from wayside.web.guesses import Guesses, TooManyError  # noqa: E402
from wayside.web.server import Server, StatusSite, StatusSiteSettings  # noqa: E402

from .test_web_server import Recorder, basic  # noqa: E402

PEOPLE = ("nobody", *users.ROLES)
LONG_S = PATIENCE_S

# What each gets: nobody, viewer, technician, operator; where no users are set up: this machine, elsewhere.
TABLE = {
    "GET /": (302, 200, 200, 200, 200, 403),
    "GET /app.js": (401, 200, 200, 200, 200, 403),
    "GET /flows.js": (401, 200, 200, 200, 200, 403),
    "GET /junction.js": (401, 200, 200, 200, 200, 403),
    "GET /desk.js": (401, 200, 200, 200, 200, 403),
    "GET /page.js": (401, 200, 200, 200, 200, 403),
    "GET /login": (200, 200, 200, 200, 200, 403),
    "GET /style.css": (200, 200, 200, 200, 200, 403),
    "GET /icon.svg": (200, 200, 200, 200, 200, 403),
    "GET /events": (401, 200, 200, 200, 200, 403),
    "GET /metrics": (401, 200, 200, 200, 200, 403),
    "GET /support-bundle": (401, 403, 200, 200, 403, 403),
    "POST /login": (415, 415, 415, 415, 415, 403),  # who sends no form
    "POST /logout": (401, 302, 302, 302, 302, 403),
    "POST /reload": (401, 403, 403, 200, 403, 403),
    "POST /desk": (401, 403, 403, 409, 403, 403),  # who sends no request
    "* /{rest:.*}": (401, 404, 404, 404, 404, 403),
}


class Setting(NamedTuple):
    """A status site whose clock is set by hand."""

    server: Server
    file: Path
    now_s: list[float]
    reloads: list[None]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.port}{path}"

    def cookie(self, name: str) -> dict[str, str]:
        """Of a new session; none for who is no user."""
        user = users.load(self.file).get(name)
        return {"Cookie": f"wayside={self.server._sessions.begin(user)}"} if user else {}


def password(name: str) -> str:
    return f"{name} has a password"


def setting(folder: Path, *names: str, **files: Path) -> Setting:
    """With a user for each role in `names`, called as the role is."""
    file = make_folder(folder / "site.toml", Role.USERS) / "users"
    for name in names:
        users.save(file, name, name, password(name))
    now_s, reloads = [1000.0], []
    site = StatusSite(Recorder(), lambda: b"bundle", lambda: reloads.append(None), lambda *_: {})  # type: ignore[arg-type]
    settings = StatusSiteSettings("127.0.0.1", 0, file if names else None, **files)
    return Setting(Server(settings, site, lambda: now_s[0]), file, now_s, reloads)


@pytest.fixture(autouse=True)
def no_pause_after_a_wrong_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_server, "_AFTER_WRONG_S", 0.0)


@pytest.fixture(autouse=True)
def passwords_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash that is slow on purpose is test_web_server's; here dozens log in."""
    monkeypatch.setattr(users, "_hash", lambda password, salt: sha256(salt + password.encode()).digest())


def play(made: Setting, scenario: Callable[[Any], Awaitable[None]], **connector: Any) -> None:
    async def run() -> None:
        jar = aiohttp.DummyCookieJar()
        async with (
            asyncio.timeout(5 * LONG_S),
            made.server.serving(),
            aiohttp.ClientSession(cookie_jar=jar, connector=aiohttp.TCPConnector(**connector)) as client,
        ):
            await scenario(client)

    asyncio.run(run())


async def status(client: Any, made: Setting, route: str, headers: dict[str, str] | None = None, **more: Any) -> int:
    method, path = route.replace("* /{rest:.*}", "DELETE /nothing").split()
    url = made.url(path)
    async with client.request(method, url, headers=headers or {}, allow_redirects=False, **more) as answer:
        return int(answer.status)


async def log_in(client: Any, made: Setting, name: str, word: str | None = None) -> Any:
    """The answer; a cookie is in it when the password was right."""
    form = {"name": name, "password": word or password(name)}
    async with client.post(made.url("/login"), data=form, allow_redirects=False) as answer:
        return answer


def session(answer: Any) -> dict[str, str]:
    return {"Cookie": f"wayside={answer.cookies['wayside'].value}"}


def test_the_table_has_every_route(tmp_path: Path):
    assert {f"{method} {path}" for method, path, _ in setting(tmp_path).server._routes()} == set(TABLE)


def test_every_route_for_every_role(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guesses, "FREE", 1000)
    made = setting(tmp_path, *users.ROLES)

    async def scenario(client: Any) -> None:
        for route, expected in TABLE.items():
            found = tuple([await status(client, made, route, made.cookie(name)) for name in PEOPLE])
            assert found == expected[:4], route

    play(made, scenario)
    assert len(made.reloads) == 1


def test_every_route_where_no_users_are_set_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(guesses, "FREE", 1000)
    made = setting(tmp_path)

    async def scenario(client: Any) -> None:
        for route, expected in TABLE.items():
            found = tuple([await status(client, made, route, {"Host": host}) for host in ("localhost", "a.example")])
            assert found == expected[4:], route

    play(made, scenario)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://[", "x"])
def test_no_role_changes_anything_from_another_site(tmp_path: Path, origin: str):
    made = setting(tmp_path, *users.ROLES)

    async def scenario(client: Any) -> None:
        for route in TABLE:
            if not route.startswith("POST"):
                continue
            for name in PEOPLE:
                headers = made.cookie(name)
                assert await status(client, made, route, {**headers, "Origin": origin}) == 403, route
                if headers:
                    assert await status(client, made, "GET /", headers) == 200, "it is still logged in"
        own = made.url("")
        assert await status(client, made, "POST /reload", {**made.cookie("operator"), "Origin": own}) == 200

    play(made, scenario)
    assert len(made.reloads) == 1


def test_the_cookie_is_strict_and_ends_at_logout_and_by_itself(tmp_path: Path):
    made = setting(tmp_path, "viewer")

    async def scenario(client: Any) -> None:
        answer = await log_in(client, made, "viewer")
        cookie = answer.cookies["wayside"]
        assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", "")
        first, second = session(answer), session(await log_in(client, made, "viewer"))
        assert first != second
        assert await status(client, made, "GET /", first) == 200
        assert await status(client, made, "POST /logout", first) == 302
        assert await status(client, made, "GET /", first) == 302
        assert await status(client, made, "GET /", second) == 200
        made.now_s[0] += 12 * 3600 + 1
        assert await status(client, made, "GET /", second) == 302
        assert not (await log_in(client, made, "viewer", "a wrong password")).cookies

    play(made, scenario)


def test_brute_force_pauses_its_own_address_only(tmp_path: Path):
    made = setting(tmp_path, "viewer")

    async def scenario(client: Any) -> None:
        inside = made.cookie("viewer")
        for number in range(guesses.FREE):
            assert (await log_in(client, made, f"viewer{number}", "wrong")).status == 302
        refused = await log_in(client, made, "viewer")
        assert refused.status == 429 and 0 < int(refused.headers["Retry-After"]) <= guesses.PAUSE_S
        assert await status(client, made, "GET /metrics", **basic("viewer", "x")) == 429
        assert await status(client, made, "GET /", inside) == 200, "who is in stays in"
        elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        async with aiohttp.ClientSession(connector=elsewhere) as other:
            assert (await log_in(other, made, "viewer")).cookies
        made.now_s[0] += guesses.PAUSE_S + 1
        assert (await log_in(client, made, "viewer", "wrong")).status == 302
        assert (await log_in(client, made, "viewer")).status == 429, "each further wrong one costs a pause"
        made.now_s[0] += guesses.PAUSE_S + 1
        assert (await log_in(client, made, "viewer")).cookies
        assert (await log_in(client, made, "viewer", "wrong")).status == 302, "forgotten by the right one"

    play(made, scenario)


async def guess(held: Guesses, address: str, is_right: bool = False, user: str = "olga") -> None:
    async with held.trying(address, user, 0.0) as told:
        await asyncio.sleep(0)
        told(is_right)


def test_guesses_take_bounded_memory_and_places():
    async def scenario() -> None:
        held = Guesses(lambda: 0.0)
        for number in range(10_000):
            await guess(held, f"10.0.{number // 250}.{number % 250}")
        assert len(held._wrong) == 4096 and not held._trying and not held._line
        for number in range(guesses.FREE):
            await guess(held, f"2001:db8::{number}")
        with pytest.raises(TooManyError):
            await guess(held, "2001:db8::ffff")
        waiting = [asyncio.create_task(guess(held, f"2001:db8:0:1::{number}")) for number in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyError):
            await guess(held, "2001:db8:0:1::3")
        await guess(held, "192.0.2.1")
        await asyncio.gather(*waiting)
        for number in range(1_000):
            await guess(held, f"192.0.2.{number % 250}", True, f"user{number}")
        assert len(held._good) == 256

    asyncio.run(scenario())


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["wait", "cancel", "right", "fail"])), max_size=40))
def test_whatever_becomes_of_those_who_try_the_next_has_his_turn(tries: list[tuple[int, str]]):
    async def one(held: Guesses, place: int, what: str) -> None:
        async with held.trying(f"192.0.2.{place}", "olga", 0.0) as told:
            await asyncio.sleep(0)
            if what == "fail":
                raise OSError
            told(what == "right")

    async def scenario() -> None:
        now_s = [0.0]
        held = Guesses(lambda: now_s[0])
        tasks = []
        for place, what in tries:
            now_s[0] += 30
            tasks.append(asyncio.create_task(one(held, place, what)))
            await asyncio.sleep(0)
            if what == "cancel":
                tasks[-1].cancel()
        async with asyncio.timeout(LONG_S):
            await asyncio.gather(*tasks, return_exceptions=True)
            await guess(held, "198.51.100.1", True)
        assert not held._line and not held._trying and not held._is_checking

    asyncio.run(scenario())


def test_one_viewers_logins_end_his_own_sessions_only(tmp_path: Path):
    made = setting(tmp_path, "viewer", "operator")

    async def scenario(client: Any) -> None:
        operator = session(await log_in(client, made, "operator"))
        first = session(await log_in(client, made, "viewer"))
        for _ in range(65):
            last = session(await log_in(client, made, "viewer"))
        assert await status(client, made, "GET /", operator) == 200
        assert [await status(client, made, "GET /", each) for each in (first, last)] == [302, 200]

    play(made, scenario)


def test_one_viewers_pages_end_his_own_only(tmp_path: Path):
    made = setting(tmp_path, "viewer", "technician", "operator")

    async def scenario(client: Any) -> None:
        # In one session each: a user has few, and a page ends with its own.
        cookies = {name: made.cookie(name) for name in ("operator", "viewer", "technician")}

        async def opened(name: str) -> Any:
            events = await client.get(made.url("/events"), headers=cookies[name])
            assert events.status == 200 and (await events.content.readline()) == b"event: who\n"
            return events

        operator = await opened("operator")
        viewers = [await opened("viewer") for _ in range(40)]
        assert len(made.server._following) == 17
        technicians = [await opened("technician") for _ in range(40)]
        assert Counter(page.user for page in made.server._following) == {"operator": 1, "viewer": 15, "technician": 16}
        for gone in viewers[:24] + technicians[:24]:
            with suppress(aiohttp.ClientError):
                await gone.read()
        assert await operator.content.readline()
        for each in (operator, *viewers, *technicians):
            each.close()

    play(made, scenario, limit=0)


def test_one_viewers_programs_end_nobodys(tmp_path: Path):
    made = setting(tmp_path, "viewer", "operator")
    asked: list[str] = []
    check = users.check

    async def scenario(client: Any) -> None:
        assert await status(client, made, "GET /metrics", **basic("operator", password("operator"))) == 200
        for number in range(20):  # base64 has several spellings of one text
            spelled = basic("viewer", password("viewer"))["headers"]["Authorization"]
            assert await status(client, made, "GET /metrics", {"Authorization": spelled + " " * number}) in (200, 401)
        asked.clear()
        assert await status(client, made, "GET /metrics", **basic("operator", password("operator"))) == 200
        assert asked == [], "it is known still"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(users, "check", lambda known, name, word: asked.append(name) or check(known, name, word))
        play(made, scenario)


@pytest.mark.parametrize("known", [False, True])
def test_waiting_guesses_do_not_keep_the_right_password_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
):
    """Eighteen addresses guess at the operator's password all the time, two at once each."""
    monkeypatch.setattr(site_server, "_AFTER_WRONG_S", 1.0)
    made = setting(tmp_path, "operator")

    async def guesses_on(number: int) -> None:
        connector = aiohttp.TCPConnector(local_addr=(f"127.0.1.{1 + number // 2}", 0))
        async with aiohttp.ClientSession(connector=connector) as other:
            while True:
                await log_in(other, made, "operator", "a wrong password")

    async def scenario(client: Any) -> None:
        if known:
            assert (await log_in(client, made, "operator")).cookies
        guessing = [asyncio.create_task(guesses_on(number)) for number in range(36)]
        try:
            for _ in range(3):
                await until(lambda: len(made.server._guesses._line) > 8)
                assert (await log_in(client, made, "operator")).cookies
        finally:
            for task in guessing:
                task.cancel()
            await asyncio.gather(*guessing, return_exceptions=True)

    play(made, scenario)


def test_a_viewers_password_buys_no_guesses_at_an_operators():
    async def scenario() -> None:
        held = Guesses(lambda: 0.0)
        with pytest.raises(TooManyError):
            for _ in range(guesses.FREE + 1):
                await guess(held, "192.0.2.1", user="operator")
                await guess(held, "192.0.2.1", True, user="viewer")

    asyncio.run(scenario())


def test_a_removed_users_session_ends_at_once(tmp_path: Path):
    made = setting(tmp_path, "viewer", "technician")
    program = basic("viewer", password("viewer"))

    async def scenario(client: Any) -> None:
        gone, stays = session(await log_in(client, made, "viewer")), session(await log_in(client, made, "technician"))
        assert await status(client, made, "GET /metrics", **program) == 200
        async with client.get(made.url("/events"), headers=gone) as events:
            users.remove(made.file, "viewer")
            assert await status(client, made, "GET /", gone) == 302
            assert await status(client, made, "GET /metrics", **program) == 401
            async with asyncio.timeout(LONG_S):
                await events.read()
        assert await status(client, made, "GET /", stays) == 200
        users.save(made.file, "viewer", "operator", password("viewer"))
        assert await status(client, made, "GET /", gone) == 302, "an old session stays ended"
        assert await status(client, made, "POST /reload", session(await log_in(client, made, "viewer"))) == 200

    play(made, scenario)


def test_a_changed_password_or_role_ends_the_session_and_a_lost_file_all(tmp_path: Path):
    made = setting(tmp_path, "viewer", "technician", "operator")

    async def scenario(client: Any) -> None:
        cookies = {name: session(await log_in(client, made, name)) for name in users.ROLES}
        users.save(made.file, "viewer", "viewer", "another password")
        users.save(made.file, "technician", "viewer", password("technician"))
        found = [await status(client, made, "GET /", cookies[name]) for name in users.ROLES]
        assert found == [302, 302, 200]
        kept = made.file.read_bytes()
        for broken in (b"\xff\n", b"no user\n", None):
            cookie = session(await log_in(client, made, "operator"))
            made.file.write_bytes(broken) if broken else made.file.unlink()
            assert await status(client, made, "GET /", cookie) == 302
            made.file.write_bytes(kept)

    play(made, scenario)


def test_remove_names_who_there_is(tmp_path: Path):
    file = tmp_path / "users"
    users.save(file, "ada", "viewer", "a long password")
    with pytest.raises(users.UsersError, match="has no user bob; it has: ada"):
        users.remove(file, "bob")


def test_with_tls_the_cookie_crosses_no_plain_connection(tmp_path: Path):
    authority = Authority(tmp_path)
    cert_file, key_file = authority.issue("site")
    made = setting(tmp_path, "viewer", cert_file=cert_file, key_file=key_file)

    async def scenario(client: Any) -> None:
        url = made.url("/login").replace("http:", "https:")
        form = {"name": "viewer", "password": password("viewer")}
        async with client.post(url, data=form, allow_redirects=False) as answer:
            cookie = answer.cookies["wayside"]
            assert (cookie["httponly"], cookie["samesite"], cookie["secure"]) == (True, "Strict", True)

    play(made, scenario, ssl=ssl.create_default_context(cafile=authority.ca_file))


def test_the_command_lets_in_and_out_again_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made = setting(tmp_path, "viewer")
    site = tmp_path / "site.toml"
    site.write_text('[site]\nname = "test.example"\n[web]\nlisten = "127.0.0.1:8480"\nusers_file = "users"\n')

    def config_user(*words: str, typed: str = "") -> int:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return main(["config", "user", str(site), *words])

    async def scenario(client: Any) -> None:
        assert not (await log_in(client, made, "ada")).cookies
        assert config_user("ada", "operator", typed=password("ada") + "\n") == 0
        cookie = session(await log_in(client, made, "ada"))
        assert await status(client, made, "POST /reload", cookie) == 200
        assert config_user("ada", "none") == 0
        assert await status(client, made, "POST /reload", cookie) == 401
        assert config_user("ada", "none") != 0

    play(made, scenario)
    told = capsys.readouterr()
    assert "ada is operator from now on" in told.out and "ada is let in no more" in told.out
    assert "has no user ada" in told.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_is_for_the_service(tmp_path: Path):
    os.chown(tmp_path, 1234, 1235)
    file = tmp_path / "users"
    users.save(file, "ada", "viewer", "a long password")
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (1234, 1235, 0o600)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("ann:operator:{salt}:{hash}\nann:viewer:{salt}:{hash}", ":2: ann is there twice"),
        ("ann:Operator:{salt}:{hash}", ":1: is no user"),
        ("ann:operator:{salt}:", ":1: is no user"),
        ("ann:operator::{hash}", ":1: is no user"),
        ("ann:operator:{salt}: {hash}", ":1: is no user"),
        ("a nn:operator:{salt}:{hash}", ":1: is no user"),
        (":operator:{salt}:{hash}", ":1: is no user"),
        ("", ":1: is no user"),
    ],
)
def test_a_users_file_that_says_anything_else_is_refused(tmp_path: Path, line: str, text: str):
    path = tmp_path / "users"
    path.write_text(line.format(salt="0" * 32, hash="1" * 64) + "\n")
    with pytest.raises(users.UsersError, match=text):
        users.load(path)
