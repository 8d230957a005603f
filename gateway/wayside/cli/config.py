"""`wayside config`: change a site file so that a mistake does not cut the site off.

`apply` puts a new file in place whole and keeps the old file. The running gateway then loads it: what the new file
changes is stopped and started, the rest runs on. If the new file does not come up, the old file comes back.

Exit status: 0 done, or nothing to do; 1 the gateway went back to the version before; 2 a file cannot be used.
"""

import argparse
import asyncio
import getpass
import json
import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wayside.cli import broker_options
from wayside.cli.command_line import whole
from wayside.daemon import manage, status
from wayside.evidence.ed25519 import check_public
from wayside.net.far_side import FarSideError
from wayside.remote.push import PushError, push
from wayside.settings import config_values
from wayside.settings.secret_role import Role
from wayside.site import config, secret_files
from wayside.site.change import check, check_bytes, check_here, failure
from wayside.site.diff import differences
from wayside.site.history import HistoryError, SiteHistory, Version
from wayside.text.reason import reason
from wayside.trust.keys import KeyFileError, load
from wayside.web import users

_VERDICT_S = 90.0
_OUT = "none"  # in place of a role
_WRONG = (
    config.SiteFileError,
    HistoryError,
    users.UsersError,
    KeyFileError,
    PushError,
    FarSideError,
    OSError,
    ValueError,
)


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser("config", help="change a site file, with history and a way back")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    diff = verbs.add_parser("diff", help="what a new site file or a version would change")
    apply = verbs.add_parser("apply", help="put a new site file in place; back when the gateway does not come up")
    rollback = verbs.add_parser("rollback", help="put an earlier version in place")
    history = verbs.add_parser("history", help="the versions that are kept")
    user = verbs.add_parser("user", help="let somebody into the status site, or out; change a password")
    user.add_argument("site", type=Path, metavar="SITE", help="the site file, with [web] users_file in it")
    user.add_argument("name", metavar="NAME")
    user.add_argument(
        "role", choices=(*users.ROLES, _OUT), help="a role may do what the roles before it may; none: remove the user"
    )
    password = verbs.add_parser("password", help="keep a password or token for a broker or a webhook, and no other")
    password.add_argument("site", type=Path, metavar="SITE", help="the site file, beside which the folder secrets is")
    password.add_argument("name", metavar="NAME", help="its name in password_file")
    password.add_argument("url", metavar="URL", help="where it may be sent: mqtts://HOST:PORT, https://HOST")
    verbs.add_parser("schema", help="print the JSON Schema of site files, for editors")
    limits = verbs.add_parser("limits", help="print the service manager's part of [limits], a drop-in for the unit")
    for each in (diff, apply, rollback, history, limits):
        each.add_argument("site", type=Path, metavar="SITE", help="the site file in force")
    for each in (diff, apply):
        each.add_argument("new", type=Path, metavar="NEW", help="the new site file")
    push = verbs.add_parser("push", help="have a gateway elsewhere put a new site file in place, over its broker")
    push.add_argument("site", type=Path, metavar="SITE", help="a copy of the site file in force there")
    push.add_argument("new", type=Path, metavar="NEW", help="the new site file")
    push.add_argument("--key", type=Path, required=True, metavar="FILE", help="the operator's key: wayside keys make")
    push.add_argument(
        "--gateway", required=True, metavar="HEX", help="the gateway's public key, which signs the answer"
    )
    broker_options.add(push)
    to_help = "a version; without it, the last good one before this"
    rollback.add_argument("--to", type=whole(1, 10**9), metavar="N", help=to_help)


def run(args: argparse.Namespace) -> int:
    try:
        return _VERBS[args.verb](args)
    except _WRONG as error:
        print(reason(error), file=sys.stderr)
        return 2


def _diff(args: argparse.Namespace) -> int:
    lines = differences(_load(args.site), _load(args.new))
    print("\n".join(lines) or "nothing differs but text")
    return 0


def _apply(args: argparse.Namespace) -> int:
    return _put_in_place(args.site, check_here(args.site, args.new), args.new.read_bytes())


def _push(args: argparse.Namespace) -> int:
    site, before, after = _load(args.site), args.site.read_bytes(), args.new.read_bytes()
    if site.remote is None:
        raise ValueError(
            f"{args.site}: has no [remote], so its gateway hears no request from afar; put the file in place there:"
            " wayside config apply"
        )
    check(args.site, args.new)
    made = push(
        broker_options.broker(args), site.site.name, _gateway(args.gateway), load(args.key), before, after, _VERDICT_S
    )
    result = asyncio.run(made)
    print(result.text, file=sys.stdout if result.is_done else sys.stderr)
    return 0 if result.is_done else 1


def _gateway(text: str) -> bytes:
    if not re.fullmatch("[0-9a-f]{64}", text):
        raise ValueError("--gateway: write the 64 hexadecimal digits of the gateway's public key")
    public = bytes.fromhex(text)
    check_public(public)
    return public


def _rollback(args: argparse.Namespace) -> int:
    history = SiteHistory(args.site)
    number = args.to or _last_good(history)
    data = history.read(number)
    return _put_in_place(args.site, check_bytes(args.site, data), data)


def _last_good(history: SiteHistory) -> int:
    good = [version for version in history.versions() if not version.failed]
    while good and good[-1].digest == history.current():
        good.pop()
    if not good:
        raise HistoryError("there is no version before this one")
    return good[-1].number


def _put_in_place(site: Path, new: config.SiteFile, data: bytes) -> int:
    history = SiteHistory(site)
    if data == site.read_bytes():
        print("nothing changes")
        return 0
    state = site.parent / new.site.state
    version = history.put_on_trial(data, needs_sink=_has_sink(state))
    answer = manage.ask(state / manage.SOCKET, {"do": "reload"})
    if answer is None:
        print(f"version {version.number} is in place; no gateway runs, its next start is the trial")
        return 0
    if not answer["ok"]:
        raise HistoryError(f"version {version.number} is in place, but the gateway says: {answer['error']}")
    return _verdict(history, version)


def _has_sink(state: Path) -> bool:
    """Whether the gateway that runs now, if one does, has a sink that is connected."""
    try:
        told = status.ask(state / status.SOCKET)
    except (OSError, ValueError):
        return False
    return any(sink["connected"] for sink in told["sinks"].values())


def _verdict(history: SiteHistory, version: Version) -> int:
    end = time.monotonic() + _VERDICT_S
    while history.trial() and time.monotonic() < end:
        time.sleep(0.1)
    why = failure(history, version)
    if why:
        print(f"version {version.number} did not come up, the version before is back: {why}", file=sys.stderr)
        return 1
    print(f"version {version.number} is in force")
    return 0


def _history(args: argparse.Namespace) -> int:
    history = SiteHistory(args.site)
    current, trial = history.current(), history.trial()
    if not history.versions():
        print(f"{args.site}: no version is kept yet; `wayside config apply` keeps them", file=sys.stderr)
    same = [each.number for each in history.versions() if each.digest == current and not each.failed]
    in_force = trial.version if trial else max(same, default=0)  # a version that came back stands there twice
    failed = [each.number for each in history.versions() if each.digest == current and each.failed]
    by_hand = 0 if in_force else max(failed, default=0)
    if not (in_force or by_hand) and history.versions():
        print(f"{args.site}: was changed by hand, and is none of these", file=sys.stderr)
    for version in history.versions():
        when = datetime.fromtimestamp(version.kept_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        if version.failed:
            put = "put in place again by hand; " if version.number == by_hand else ""
            state = f"{put}did not come up: {version.failed}"
        elif trial and trial.version == version.number:
            state = "on trial"
        else:
            state = "in force" if version.number == in_force else ""
        print(f"{version.number:>4}  {when}  {version.digest[:16]}  {state}".rstrip())
    return 0


def _user(args: argparse.Namespace) -> int:
    site = config.load_without_profiles(args.site)
    if site.web is None or site.web.users_file is None:
        raise users.UsersError(f'{args.site}: has no users; write users_file = "users" under [web]')
    file = secret_files.make_folder(args.site, Role.USERS) / site.web.users_file.name
    if args.role == _OUT:
        users.remove(file, args.name)
        print(f"{args.name} is let in no more")
        return 0
    # Never as an argument: those stand in process lists and shell histories.
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    users.save(file, args.name, args.role, password)
    print(f"{args.name} is {args.role} from now on")
    return 0


def _password(args: argparse.Namespace) -> int:
    if not config_values.SECRET_NAME.fullmatch(args.name):
        raise ValueError("NAME: write a plain file name, as password_file names it")
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    text = secret_files.password_lines(args.url, password)
    secret_files.write(args.site, Role.PASSWORD, args.name, text.encode())
    print(f'kept for {text.split()[1]}; name it in the site file: password_file = "{args.name}"')
    return 0


def _schema(_: argparse.Namespace) -> int:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Wayside site file"}
    print(json.dumps({**config.SiteFile.model_json_schema(), **schema}, indent=1))
    return 0


def _limits(args: argparse.Namespace) -> int:
    print("\n".join(drop_in(_load(args.site).limits)))
    return 0


def drop_in(limits: config.LimitsTable) -> list[str]:
    """Lines of a drop-in for wayside.service (systemd.resource-control(5))."""
    # Throttled only after the gateway itself has made room, and well before it would be killed.
    lines = [f"MemoryHigh={limits.memory_megabytes * 9 // 10}M", f"MemoryMax={limits.memory_megabytes}M"]
    return ["[Service]", *lines, *([f"CPUQuota={limits.cpu_percent}%"] if limits.cpu_percent else [])]


def _load(path: Path) -> config.SiteFile:
    return config.load(path)


_VERBS = {
    "push": _push,
    "diff": _diff,
    "apply": _apply,
    "rollback": _rollback,
    "history": _history,
    "limits": _limits,
    "password": _password,
    "schema": _schema,
    "user": _user,
}
