"""Who may see and do what on the status site: users in a file, sessions in memory. Imports nothing of the gateway.

A line of the users file is `name:role:salt:hash`, the password hashed by scrypt (RFC 7914); `wayside config user`
writes it. A viewer sees; a technician also takes support bundles; an operator also has the gateway take up its site
file.
"""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayside.evidence.files import replace_file

_logger = logging.getLogger(__name__)

ROLES = ("viewer", "technician", "operator")
"""Each may do what those before it may."""

_NAME = re.compile(r"[A-Za-z0-9._\-]{1,32}")
_LINE = re.compile(rf"({_NAME.pattern}):({'|'.join(ROLES)}):([0-9a-f]{{32}}):([0-9a-f]{{64}})")
_SHORTEST = 10
_SESSIONS = 8  # of one user
_SESSION_S = 12 * 3600.0


class UsersError(Exception):
    """A users file, name or password that cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class User:
    name: str
    role: str
    salt: bytes
    hash: bytes

    def may(self, role: str) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


def load(path: Path) -> dict[str, User]:
    """The users of the file at `path`; UsersError names the line that is wrong."""
    users: dict[str, User] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsersError(f"{path}: cannot be read ({why}); make it: wayside config user SITE NAME ROLE") from None
    for number, line in enumerate(lines, 1):
        found = _LINE.fullmatch(line)
        if not found:
            raise UsersError(f"{path}:{number}: is no user; write it with: wayside config user SITE NAME ROLE")
        name, role, salt, digest = found.groups()
        if name in users:
            raise UsersError(f"{path}:{number}: {name} is there twice; remove one of the lines")
        users[name] = User(name, role, bytes.fromhex(salt), bytes.fromhex(digest))
    return users


class UsersFile:
    """The users of the file at `path`, read again when it has changed. UsersError when it cannot be used at first."""

    def __init__(self, path: Path):
        self._path = path
        self._stamp = _stamp(path)
        self._users = load(path)

    def current(self) -> dict[str, User]:
        """Nobody while the file cannot be used: it may be the one that shut somebody out."""
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._users = load(self._path)
            except UsersError as error:
                self._users = {}
                _logger.error("%s; nobody is let into the status site until then", error)
        return self._users


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)


def save(path: Path, name: str, role: str, password: str) -> None:
    """Add or replace a user in the file at `path`, which only its owner may read."""
    if not _NAME.fullmatch(name):
        raise UsersError("a name has 1 to 32 letters, digits, or . _ -")
    if len(password) < _SHORTEST:
        raise UsersError(f"a password has at least {_SHORTEST} characters")
    users = load(path) if path.exists() else {}
    salt = os.urandom(16)
    users[name] = User(name, role, salt, _hash(password, salt))
    _write(path, users)


def remove(path: Path, name: str) -> None:
    """Take a user out of the file at `path`."""
    users = load(path)
    if name not in users:
        raise UsersError(f"{path}: has no user {name}; it has: {', '.join(users) or 'nobody'}")
    del users[name]
    _write(path, users)


def _write(path: Path, users: dict[str, User]) -> None:
    lines = [f"{user.name}:{user.role}:{user.salt.hex()}:{user.hash.hex()}\n" for user in users.values()]
    replace_file(path, "".join(lines).encode(), 0o600, _give)


def _give(path: Path) -> None:
    """Written by root, it still is for the service, whose folder this is."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def check(users: dict[str, User], name: str, password: str) -> User | None:
    """The user, when the password is right. Takes as long for a name that is not there; blocks for some 50 ms."""
    user = users.get(name)
    found = _hash(password, user.salt if user else b"\0" * 16)
    return user if user and hmac.compare_digest(found, user.hash) else None


def _hash(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(errors="surrogatepass"), salt=salt, n=2**14, r=8, p=1, dklen=32)


class Sessions:
    """Who is logged in, by a random token; when a user has too many, his own oldest goes."""

    def __init__(self, monotonic: Callable[[], float]):
        self._monotonic = monotonic
        self._open: OrderedDict[str, tuple[User, float]] = OrderedDict()

    def begin(self, user: User) -> str:
        now_s = self._monotonic()
        for token in [each for each, (_, end_s) in self._open.items() if now_s > end_s]:
            del self._open[token]
        token = secrets.token_urlsafe(32)
        self._open[token] = (user, now_s + _SESSION_S)
        mine = [each for each, (whose, _) in self._open.items() if whose.name == user.name]
        for oldest in mine[:-_SESSIONS]:
            del self._open[oldest]
        return token

    def user(self, token: str) -> User | None:
        user, end_s = self._open.get(token, (None, 0.0))
        if user and self._monotonic() > end_s:
            del self._open[token]
            return None
        return user

    def end(self, token: str) -> None:
        self._open.pop(token, None)
