"""The files of a site that nobody else may see: passwords, keys and certificates, in one folder beside the site file.

    secrets/passwords   password_file     where it may be sent, then the password (below)
    secrets/tls         ca_file, cert_file, key_file of a broker, a server or the status site: PEM
    secrets/radio       key_file of a LoRa or Bluetooth sensor: 32 hexadecimal digits
    secrets/users       users_file, made by `wayside config user`

A site file names a file by its plain name, and the key that names it says the folder: whoever may change the site file,
from afar too, has no way to use a file for something else than what it was put there for. A password is the only one
that leaves this machine. Its file says itself where to, so a site file with another address gets nothing sent:

    for mqtts://broker.example.org:8883
    the password

The type of the key says which it is: `config_values.PasswordFile` and the others; its value is a SecretFile.

Why: docs/decisions/0094. Imports of the gateway `site.config`, `settings` and `evidence.files`.
"""

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from wayside.evidence.files import replace_file
from wayside.settings.client import Client
from wayside.settings.secret_role import Role, SecretFile
from wayside.settings.table import Table
from wayside.settings.toml_file import Place, key_text
from wayside.site.config import SiteFile, SiteFileError

FOLDER = "secrets"
_MOST = 4096  # bytes of a password or a radio's key
_MOST_PEM = 4 * 1024 * 1024
_PORTS = {"mqtt": 1883, "mqtts": 8883, "http": 80, "https": 443}
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


AT_START = (Role.PASSWORD, Role.TLS, Role.RADIO)
"""Without these a gateway does not start; the file of users is looked at whenever somebody comes."""


class Use(NamedTuple):
    """One file that a table names. url: where a password goes; place: the key that names it."""

    file: SecretFile
    url: str = ""
    place: str = ""


class Secrets:
    """The folder of secrets of the site file at `site`. SiteFileError from every method says what to do."""

    def __init__(self, site: Path):
        self._folder = site.parent / FOLDER

    def path(self, use: Use) -> Path:
        """The file, for those who open it by name; checked as `read` does, and its content is not looked at."""
        self._read(use, 0)
        return self._folder / use.file.role / use.file.name

    def read(self, use: Use) -> bytes:
        """The file's content: of a regular file in the folder of its role that nobody else may read, and no link."""
        return self._read(use, _MOST)

    def password(self, use: Use) -> str:
        """What the password's file holds, when it says that it may go to `use.url`."""
        path = self._folder / use.file.role / use.file.name
        try:
            lines = self.read(use).decode().rstrip("\r\n").splitlines()
        except UnicodeDecodeError:
            lines = []
        *places, password = lines or [""]
        if not places or not password.isprintable() or not password.strip():
            how = f"write it with: wayside config password SITE {use.file.name} {_shown(use)}"
            raise SiteFileError([f"{path}: is no password file; {how}"])
        allowed = []
        for number, line in enumerate(places, 1):
            word, _, url = line.partition(" ")
            if word != "for" or not (place := _origin(url)):
                raise SiteFileError([f'{path}:{number}: write "for SCHEME://HOST:PORT", or have it written: {_HELP}'])
            allowed.append(place)
        if _origin(use.url) not in allowed:
            raise SiteFileError([f"{path}: this password may not be sent to {_shown(use)}; who may allow it: {_HELP}"])
        return password

    def radio_key(self, use: Use) -> bytes:
        """The 16 bytes that the file holds in hexadecimal digits."""
        try:
            key = bytes.fromhex(self.read(use).decode().strip())
        except ValueError:
            key = b""
        if len(key) != 16:
            path = self._folder / use.file.role / use.file.name
            raise SiteFileError(
                [f"{path}: write a file with the 32 hexadecimal digits of the sensor's key for the air"]
            )
        return key

    def digest(self, use: Use) -> bytes:
        """SHA-256 of the content, whatever it is; of nothing for a file that cannot be read."""
        try:
            return sha256(self._read(use, _MOST_PEM)).digest()
        except SiteFileError:
            return sha256().digest()

    def problem(self, use: Use) -> str:
        """What keeps the file from being used as the site file says; empty when nothing does."""
        try:
            if use.file.role is Role.PASSWORD:
                self.password(use)
            elif use.file.role is Role.RADIO:
                self.radio_key(use)
            else:
                self.path(use)
        except SiteFileError as error:
            return str(error)
        return ""

    def _read(self, use: Use, most: int) -> bytes:
        path = self._folder / use.file.role / use.file.name
        try:
            with ExitStack() as stack:
                descriptor, for_others = os.open(self._folder, _FOLDER_FLAGS), stat.S_IXOTH
                stack.callback(os.close, descriptor)
                for_others &= os.fstat(descriptor).st_mode
                descriptor = os.open(use.file.role, _FOLDER_FLAGS, dir_fd=descriptor)
                stack.callback(os.close, descriptor)
                for_others &= os.fstat(descriptor).st_mode
                descriptor = os.open(use.file.name, _FILE_FLAGS, dir_fd=descriptor)
                stack.callback(os.close, descriptor)
                mode = os.fstat(descriptor).st_mode
                if not stat.S_ISREG(mode):
                    raise SiteFileError([f"{path}: is not a regular file; put a file there, no link and no device"])
                if for_others and mode & (stat.S_IROTH | stat.S_IWOTH) and not use.file.is_public:
                    raise SiteFileError([f"{path}: everybody here can read it; type: chmod 700 {self._folder}"])
                with os.fdopen(os.dup(descriptor), "rb") as file:
                    data = file.read(most + 1) if most else b""
        except FileNotFoundError:
            raise SiteFileError([f"{path}: is not there; {_HOW[use.file.role]}, or correct the name"]) from None
        except OSError as error:
            # A link is ELOOP as a file and ENOTDIR as a folder.
            hint = f"{error.strerror}; it has to be a file, no link, that the gateway's user may read"
            raise SiteFileError([f"{path}: cannot be read ({hint})"]) from None
        if len(data) > most:
            raise SiteFileError([f"{path}: has over {most} bytes; this is not a file of that kind"])
        return data


_HELP = "wayside config password"
_HOW = {
    Role.PASSWORD: f"write it with: {_HELP}",
    Role.TLS: "put it there",
    Role.RADIO: "put it there",
    Role.USERS: "make it with: wayside config user",
}


def uses(table: Table, place: Place = ()) -> Iterator[Use]:
    """Every file of secrets that `table` and the tables in it name, in the order of the file."""
    for key, value in table:
        several = isinstance(value, list)
        for i, each in enumerate(value if several else [value]):
            here = (key, i) if several else (key,)
            if isinstance(each, SecretFile):
                url = table.password_goes_to() if isinstance(table, Client) and each.role is Role.PASSWORD else ""
                yield Use(each, url, key_text((*place, *here)))
            elif isinstance(each, Table):
                yield from uses(each, (*place, *here))


def check(site: SiteFile, path: Path, roles: Collection[Role] = tuple(Role)) -> None:
    """SiteFileError with a line for each file of secrets that cannot be used with `site`, whose place is `path`.

    `roles`: those that are looked at.
    """
    secrets = Secrets(path)
    wanted = [use for use in uses(site) if use.file.role in roles]
    problems = [f"{path}: {use.place}: {why}" for use in wanted if (why := secrets.problem(use))]
    if problems:
        raise SiteFileError(problems)


def make_folder(site: Path, role: Role) -> Path:
    """The folder of a role, made for the owner of the site file's folder alone when it is not there."""
    folder = site.parent / FOLDER
    for each in (folder, folder / role):
        if not each.exists():
            each.mkdir(mode=0o700)
            _give(each)
    return folder / role


def write(site: Path, role: Role, name: str, data: bytes) -> None:
    """Put a file of secrets in place, in one step, readable by its owner alone."""
    replace_file(make_folder(site, role) / name, data, 0o600, _give)


def _give(path: Path) -> None:
    """Written by root, it still is for the service, whose folder this is."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def password_lines(url: str, password: str) -> str:
    """The content of a password's file; ValueError says what is wrong with either."""
    place = _origin(url)
    if not place:
        raise ValueError("write the address that the password goes to as SCHEME://HOST:PORT, such as mqtts://HOST:8883")
    if not password.strip() or not password.isprintable():
        raise ValueError("a password is one line of printable characters")
    return f"for {place}\n{password}\n"


def _origin(url: str) -> str:
    """SCHEME://HOST:PORT of a URL, the same for the same far side; empty when it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        return ""
    host = (parts.hostname or "").lower()
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}" if host else ""


def _shown(use: Use) -> str:
    return _origin(use.url) or "a serial port"
