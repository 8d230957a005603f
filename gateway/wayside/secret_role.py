"""What a file of secrets is for (`secret_files`). Imports nothing."""

from enum import StrEnum
from typing import NamedTuple


class Role(StrEnum):
    """What a file is for; the value is the name of its folder."""

    PASSWORD = "passwords"
    TLS = "tls"
    RADIO = "radio"
    USERS = "users"


class SecretFile(NamedTuple):
    """What the type of a key says of the file that it names. is_public: everybody may read it."""

    role: Role
    is_public: bool = False
