"""The files that a site file names: what each is for. Imports nothing."""

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a file of secrets is for (`secret_files`); the value is the name of its folder."""

    PASSWORD = "passwords"
    TLS = "tls"
    RADIO = "radio"
    USERS = "users"


class SecretFile(NamedTuple):
    """A file of secrets. name: in the folder of its role; is_public: everybody may read it."""

    name: str
    role: Role
    is_public: bool = False


class PlainFile(NamedTuple):
    """A file without secrets. path: from the site file on."""

    path: str
