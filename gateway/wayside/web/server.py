"""The status site's server: aiohttp, server-sent events, and a guard in front of every page."""

import asyncio
import base64
import hashlib
import json
import math
import os
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from wayside.net.http.connections import Connections
from wayside.net.http.stack import LIMITS, has_plain_length, logger_for, say_continue
from wayside.runtime.supervise import background
from wayside.text import json_text
from wayside.web import metrics, users
from wayside.web.guesses import Guesses, TooManyError
from wayside.web.recorder import Recorder
from wayside.web.users import Sessions, User, UsersFile

_STATIC = Path(__file__).parent / "static"
_PAGES = {
    "/": "index.html",
    "/login": "login.html",
    "/style.css": "style.css",
    "/icon.svg": "icon.svg",
    "/app.js": "app.js",
    "/flows.js": "flows.js",
    "/junction.js": "junction.js",
    "/desk.js": "desk.js",
    "/page.js": "page.js",
}
_TYPES = {".html": "text/html", ".css": "text/css", ".svg": "image/svg+xml", ".js": "text/javascript"}
_OPEN = ("/login", "/style.css", "/icon.svg")
_COOKIE = "wayside"
_PAGES_AT_ONCE = 32  # that follow the events
_PAGES_EACH = 16  # of one user
_STATE_S = 1.0
_CHARTS_EVERY = 10  # seconds
_BYTES_PER_S = 256 * 1024  # to one page: a site with many values is shown less often
_SEND_S = 10.0  # a page that takes no more than this is gone
_LIFE_S = 120.0  # of a connection: a support bundle over a slow link takes its time
_TLS_S = 10.0  # for a handshake
_AFTER_WRONG_S = 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_USER = web.RequestKey("user", User)
_VISITOR = User("", "viewer", b"", b"")  # who comes from this machine, where no users are set up


@dataclass(frozen=True)
class StatusSite:
    """What the pages are made from and what they may ask for."""

    recorder: Recorder
    bundle: Callable[[], bytes]
    """The support bundle, a .tar.gz; blocks."""
    reload: Callable[[], None]
    command: Callable[[dict[str, Any], str], dict[str, Any]]
    """command(request, who): what came of a request to the desk; ValueError says why it is not taken."""


@dataclass(frozen=True)
class StatusSiteSettings:
    """Where to listen and who may come. Without `users_file`, whoever reaches this machine's own address may look."""

    host: str
    port: int
    users_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, eq=False)
class _Page:
    """One that follows the events."""

    user: str
    transport: asyncio.Transport


class Server:
    """One status site. `port` is known while it serves."""

    def __init__(self, settings: StatusSiteSettings, site: StatusSite, monotonic: Callable[[], float]):
        """UsersError when the users file cannot be used, OSError when the certificate cannot."""
        self._settings = settings
        self._site = site
        self._users = UsersFile(settings.users_file) if settings.users_file else None
        self._tls: ssl.SSLContext | None = None
        if settings.cert_file:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(settings.cert_file, settings.key_file)
        self._sessions = Sessions(monotonic)
        self._guesses = Guesses(monotonic)
        self._basic: dict[str, tuple[bytes, User]] = {}  # by name: the last way in which each has shown his password
        self._basic_key = os.urandom(32)
        self._following: list[_Page] = []  # the oldest first
        self._one_bundle = asyncio.Lock()
        self._beat = asyncio.Condition()
        self._state = b""
        self.port = settings.port

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Answers while the block runs; OSError when the address cannot be had."""
        application = web.Application(middlewares=[self._guard], client_max_size=16 * 1024)
        for method, path, handler in self._routes():
            application.router.add_route(method, path, handler, expect_handler=say_continue)
        logger = logger_for(__name__)
        runner = web.AppRunner(application, access_log=None, logger=logger, shutdown_timeout=1.0, **LIMITS)
        await runner.setup()
        try:
            async with self._listening(runner), background(self._tell):
                yield
        finally:
            await runner.cleanup()

    @asynccontextmanager
    async def _listening(self, runner: web.AppRunner) -> AsyncIterator[None]:
        assert runner.server
        self._connections = Connections(runner.server, _LIFE_S)
        where = (self._settings.host, self._settings.port)
        limit_s = _TLS_S if self._tls else None
        listener = await asyncio.get_running_loop().create_server(
            self._connections, *where, ssl=self._tls, ssl_handshake_timeout=limit_s
        )
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()

    async def run(self) -> None:
        """Serve until cancelled."""
        async with self.serving(), background(self._site.recorder.run):
            await asyncio.Event().wait()

    def _routes(self) -> Iterator[tuple[str, str, _Handler]]:
        yield "GET", "/events", self._events
        yield "GET", "/metrics", self._metrics
        yield "GET", "/support-bundle", self._bundle
        yield "POST", "/login", self._login
        yield "POST", "/logout", self._logout
        yield "POST", "/reload", self._reload
        yield "POST", "/desk", self._desk
        for path in _PAGES:
            yield "GET", path, self._page
        yield "*", "/{rest:.*}", self._nothing

    # --- who may come in ---

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            answer = await self._admit(request, handler)
        except web.HTTPException as refusal:
            self._finish(request, refusal)
            raise
        if not answer.prepared:
            self._finish(request, answer)
        return answer

    def _finish(self, request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(_HEADERS)
        if self._connections.is_late(request.transport):
            answer.force_close()

    async def _admit(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not has_plain_length(request):
            raise web.HTTPBadRequest(text="the length is no number that a request has\n")
        if self._users is None and _split(f"//{request.host}").hostname not in _LOOPBACK:
            # Another site's page whose name was made to lead here (DNS rebinding).
            raise web.HTTPForbidden(text="this site is only for this machine itself\n")
        if request.method == "POST" and not _same_origin(request):
            raise web.HTTPForbidden(text="this request comes from another site\n")
        user = await self._who(request)
        if user is None and request.path not in _OPEN:
            if request.path == "/":
                raise web.HTTPFound("/login")
            # Only programs are asked for Basic: a browser would show a dialogue of its own in the middle of the page.
            asks = {"WWW-Authenticate": 'Basic realm="wayside"'} if request.path == "/metrics" else {}
            raise web.HTTPUnauthorized(text="log in first\n", headers=asks)
        if user is not None:
            request[_USER] = user
        return await handler(request)

    async def _who(self, request: web.Request) -> User | None:
        if user := self._known(request):
            return user
        kind, rest = _authorization(request)
        if kind != "Basic":  # programs that cannot fill in a form, such as Prometheus (RFC 7617)
            return None
        try:
            name, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except ValueError:
            return None
        user = await self._check(request, name, password)
        if user:
            self._basic = {name: known for name, known in self._basic.items() if name in self._users_now()}
            self._basic[user.name] = (self._digest(rest), user)
        return user

    def _known(self, request: web.Request) -> User | None:
        """Who has shown a password before, and is still the user that he was then."""
        if self._users is None:
            return _VISITOR
        token = request.cookies.get(_COOKIE, "")
        user = self._sessions.user(token) or self._shown(_authorization(request)[1])
        if user and self._users_now().get(user.name) != user:
            self._sessions.end(token)
            return None
        return user

    def _shown(self, credentials: str) -> User | None:
        """Who has shown these before."""
        digest = self._digest(credentials)
        return next((user for known, user in self._basic.values() if known == digest), None)

    def _users_now(self) -> dict[str, User]:
        return self._users.current() if self._users else {}

    def _digest(self, credentials: str) -> bytes:
        return hashlib.blake2b(credentials.encode(errors="surrogateescape"), key=self._basic_key).digest()

    async def _check(self, request: web.Request, name: str, password: str) -> User | None:
        """One at a time, and a pause after a wrong one: guessing is slow, and costs who does not guess nothing."""
        known = self._users_now()
        try:
            async with self._guesses.trying(request.remote or "", name, _AFTER_WRONG_S) as told:
                user = await asyncio.to_thread(users.check, known, name, password)
                told(user is not None)
            return user
        except TooManyError as error:
            headers = {"Retry-After": str(math.ceil(error.pause_s))}
            text = f"too many tries to log in; try again in {headers['Retry-After']} s\n"
            raise web.HTTPTooManyRequests(text=text, headers=headers) from None

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if request.content_type != "application/x-www-form-urlencoded":  # multipart could bring files
            raise web.HTTPUnsupportedMediaType(text="name and password come as a form\n")
        try:
            form = await request.post()
        except (ValueError, LookupError, web.RequestPayloadError):  # not in the charset or coding that it says
            raise web.HTTPBadRequest(text="the form cannot be read\n") from None
        user = await self._check(request, str(form.get("name", "")), str(form.get("password", "")))
        if user is None:
            raise web.HTTPFound("/login?wrong")
        answer = web.HTTPFound("/")
        token = self._sessions.begin(user)
        answer.set_cookie(_COOKIE, token, httponly=True, samesite="Strict", secure=self._tls is not None)
        raise answer

    async def _logout(self, request: web.Request) -> web.StreamResponse:
        self._sessions.end(request.cookies.get(_COOKIE, ""))
        answer = web.HTTPFound("/login")
        answer.del_cookie(_COOKIE)
        raise answer

    # --- pages ---

    async def _page(self, request: web.Request) -> web.StreamResponse:
        # Not aiohttp's answer with a file: a date of the year 99999999999 in a condition is an error in it.
        file = _STATIC / _PAGES[request.path]
        return web.Response(body=file.read_bytes(), content_type=_TYPES[file.suffix], charset="utf-8")

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound(text="nothing is here\n")

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        text = metrics.exposition(self._site.recorder.families())
        return web.Response(body=text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})

    async def _bundle(self, request: web.Request) -> web.StreamResponse:
        _need(request, "technician")
        async with self._one_bundle:
            data = await asyncio.to_thread(self._site.bundle)
        headers = {"Content-Disposition": 'attachment; filename="wayside-support.tar.gz"'}
        return web.Response(body=data, content_type="application/gzip", headers=headers)

    async def _reload(self, request: web.Request) -> web.StreamResponse:
        _need(request, "operator")
        self._site.reload()
        return web.Response(text="the gateway takes up its site file\n")

    async def _desk(self, request: web.Request) -> web.StreamResponse:
        """JSON of wayside.daemon.desk; the answer has `text`, or with 409 `error`."""
        _need(request, "operator")
        try:
            asked = json_text.read(await request.read())
            if not isinstance(asked, dict):
                raise ValueError("a JSON object is needed")
            return web.json_response(self._site.command(asked, f"operator {request[_USER].name}"))
        except ValueError as error:
            return web.json_response({"ok": False, "error": str(error)}, status=409)

    async def _tell(self) -> None:
        """Makes the state once a second, for all who follow it."""
        while True:
            if self._following:
                self._state = _event("state", self._site.recorder.state())
                async with self._beat:
                    self._beat.notify_all()
            await asyncio.sleep(_STATE_S)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: `who` once, `charts` now and then, `state` every second."""
        page = self._take_place(request)
        answer = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        answer.force_close()
        self._connections.keep(request.transport)
        try:
            await answer.prepare(request)
            await self._follow(answer, request)
        except (ConnectionError, TimeoutError):
            pass  # the page has gone
        finally:
            if page in self._following:
                self._following.remove(page)
        return answer

    def _take_place(self, request: web.Request) -> "_Page":
        """A user's further page ends his own oldest; when all places are taken, who has most loses his oldest."""
        user = request[_USER].name
        held = Counter(page.user for page in self._following)
        crowd = user if held[user] >= _PAGES_EACH else None
        if crowd is None and len(self._following) >= _PAGES_AT_ONCE:
            crowd = held.most_common(1)[0][0]
        if crowd is not None:
            oldest = next(page for page in self._following if page.user == crowd)
            self._following.remove(oldest)
            oldest.transport.abort()
        page = _Page(user, cast(asyncio.Transport, request.transport))
        self._following.append(page)
        return page

    async def _follow(self, answer: web.StreamResponse, request: web.Request) -> None:
        """Until the page, or the user's session, has gone."""
        user = request[_USER]
        recorder = self._site.recorder
        loop = asyncio.get_running_loop()
        sent = await _send(answer, _event("who", {"name": user.name, "role": user.role}))
        sent += await _send(answer, _event("state", recorder.state()))
        sent += await _send(answer, _event("charts", recorder.charts()))
        next_s = loop.time() + sent / _BYTES_PER_S
        charts_s = loop.time() + _CHARTS_EVERY
        while self._known(request) == user:
            async with self._beat:
                await self._beat.wait()
            if loop.time() < next_s:
                continue
            sent = await _send(answer, self._state)
            if loop.time() >= charts_s:
                charts_s = loop.time() + _CHARTS_EVERY
                sent += await _send(answer, _event("charts", recorder.charts()))
            next_s = loop.time() + sent / _BYTES_PER_S


async def _send(answer: web.StreamResponse, data: bytes) -> int:
    """How many bytes these were."""
    async with asyncio.timeout(_SEND_S):
        await answer.write(data)
    return len(data)


def _authorization(request: web.Request) -> tuple[str, str]:
    kind, _, rest = request.headers.get("Authorization", "").partition(" ")
    return kind, rest


def _event(name: str, data: dict[str, Any]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _same_origin(request: web.Request) -> bool:
    # A browser sends Origin with every POST; a program that sends none carries no cookie of a person either.
    origin = request.headers.get("Origin")
    return origin is None or _split(origin).netloc == request.host


def _split(url: str) -> SplitResult:
    """As `urlsplit`; what is no URL has no parts."""
    try:
        return urlsplit(url)
    except ValueError:
        return urlsplit("")


def _need(request: web.Request, role: str) -> None:
    if not request[_USER].may(role):
        raise web.HTTPForbidden(text=f"this needs the role {role}\n")
