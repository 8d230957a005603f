"""The values of a site file: what a name, an address or a key has to look like, and what to write instead.

What is more than a text is parsed here, once: a table carries the endpoint, the key or the file
(`table.WrittenAsText`).

Imports of the gateway `endpoint`, and what reads names of logs and keys of witnesses.
"""

import re
from operator import attrgetter
from typing import Annotated

from pydantic import AfterValidator
from wayside_wire import environment
from wayside_wire.text import is_name

from wayside.evidence.ed25519 import check_public
from wayside.evidence.note import COSIGNATURE, NoteKey, parse_key
from wayside.evidence.origin import is_site
from wayside.net import endpoint
from wayside.net.endpoint import Address, BrokerPlace, Endpoint, parse_broker, split_url
from wayside.settings.secret_role import PlainFile, Role, SecretFile
from wayside.settings.table import WrittenAsText
from wayside.text.unknown import unknown

SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}")


def checked_name(text: str) -> str:
    """`text`, if a device, node, sink ... can be called so; ValueError otherwise."""
    if not is_name(text):
        raise ValueError("a name has 1 to 48 letters, digits, or - : . _ and begins with a letter or digit")
    return text


def _secret_name(text: str) -> str:
    if not SECRET_NAME.fullmatch(text):
        raise ValueError("write the plain name of a file, without its folder; in which folder it lies: docs/service.md")
    return text


def _site_name(text: str) -> str:
    # The name begins the log's origin, which C2SP tlog-checkpoint wants without spaces and plus signs.
    if not is_site(text):
        raise ValueError('write a domain-like name in lower case, no part of it "log", such as "site-7.example.org"')
    return text


def _environment_channel(name: str) -> str:
    known = [row[0] for row in environment.CHARACTERISTICS.values()]
    if name not in known:
        raise ValueError(unknown("channel", name, known))
    return name


def webhook_url(text: str) -> str:
    """ValueError says what to write instead."""
    url = split_url(text)
    if not url.hostname or url.username is not None or url.fragment:
        raise ValueError('write "https://HOST/PATH"; a token goes into password_file')
    return text


def _node_port(text: str) -> BrokerPlace | str:
    return parse_broker(text) if "://" in text else text


def _public_key(text: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("write the 64 hexadecimal digits that the node prints as its public key")
    check_public(bytes.fromhex(text))  # says itself what is wrong; EvidenceError is a ValueError
    return bytes.fromhex(text)


def _ble_address(text: str) -> str:
    if not re.fullmatch(r"([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
        raise ValueError('write an address such as "54:48:E6:8F:80:A5"')
    return text.upper()


def _witness_url(text: str) -> str:
    url = split_url(text)
    if url.scheme not in ("http", "https") or not url.hostname or url.username is not None or url.query or url.fragment:
        raise ValueError('write the witness\'s submission prefix, "https://HOST" or "https://HOST/PATH"')
    return text


def _listen_address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not (separator and host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536):
        raise ValueError('write "HOST:PORT", such as "127.0.0.1:8430", or "0.0.0.0:8430" for everybody')
    return Address(host.strip("[]"), int(port))


def _witness_key(text: str) -> NoteKey:
    key = parse_key(text)  # says itself what is wrong; EvidenceError is a ValueError
    if key.kind != COSIGNATURE:
        raise ValueError("this is the key of a log; write the key that the witness prints when it starts")
    return key


def _secret(role: Role, is_public: bool = False) -> WrittenAsText:
    return WrittenAsText(lambda text: SecretFile(_secret_name(text), role, is_public), attrgetter("name"))


Name = Annotated[str, AfterValidator(checked_name)]
PasswordFile = Annotated[SecretFile, _secret(Role.PASSWORD)]
CertificateFile = Annotated[SecretFile, _secret(Role.TLS, is_public=True)]
PrivateKeyFile = Annotated[SecretFile, _secret(Role.TLS)]
RadioKeyFile = Annotated[SecretFile, _secret(Role.RADIO)]
UsersFile = Annotated[SecretFile, _secret(Role.USERS)]
FileBeside = Annotated[PlainFile, WrittenAsText(PlainFile, attrgetter("path"))]
SiteName = Annotated[str, AfterValidator(_site_name)]
BusEndpoint = Annotated[Endpoint, WrittenAsText(endpoint.parse, attrgetter("text"))]
EnvironmentChannel = Annotated[str, AfterValidator(_environment_channel)]
BrokerUrl = Annotated[BrokerPlace, WrittenAsText(parse_broker, attrgetter("text"))]
NodePort = Annotated[BrokerPlace | str, WrittenAsText(_node_port, lambda port: getattr(port, "text", port))]
PublicKey = Annotated[bytes, WrittenAsText(_public_key, bytes.hex)]
BleAddress = Annotated[str, AfterValidator(_ble_address)]
WitnessUrl = Annotated[str, AfterValidator(_witness_url)]
ListenAddress = Annotated[Address, WrittenAsText(_listen_address)]
WitnessKey = Annotated[NoteKey, WrittenAsText(_witness_key)]
