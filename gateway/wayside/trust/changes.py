"""What people ask of the registry, in a form that travels: one JSON object, the same for a gateway that runs or not."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from wayside.evidence import EvidenceError
from wayside.evidence.ed25519 import PUBLIC_SIZE, check_public
from wayside.evidence.keyring import Keyring
from wayside.evidence.kinds import KeyBody
from wayside.trust.registry import (
    NewKey,
    RegistryError,
    ReturnedCertificates,
    admit_operator,
    certify,
    enrol_node,
    replace_node,
    revoke,
)

_HEX = re.compile("[0-9A-Fa-f]*")

WORDS = ("enrol", "replace", "operator", "revoke", "certify")

Request = Mapping[str, Any]
"""{"do": one of WORDS, ...}; bytes are hexadecimal.

The functions below read the rest.
"""


def bodies_for(request: Request, keyring: Keyring, site: str, nodes: Mapping[str, Sequence[str]]) -> list[KeyBody]:
    """The key entries that do what is asked; RegistryError when it cannot be done. `nodes`: each node's devices."""
    do = request.get("do")
    if unknown := sorted(request.keys() - _KEYS):
        raise RegistryError(f"{unknown[0]}: nobody knows this field; leave it out")
    if do in ("enrol", "replace"):
        node = _text(request, "node")
        if node not in nodes:
            known = ", ".join(sorted(nodes)) or "none"
            raise RegistryError(f"{node} is not a node of the site file (known: {known}); write its [[node]] first")
        new = NewKey(_public(request, "public"), _bytes(request, "challenge"), _bytes(request, "proof"))
        if do == "enrol":
            return enrol_node(keyring, node, nodes[node], new)
        return replace_node(keyring, node, nodes[node], new, _text(request, "reason"))
    if do == "operator":
        name = _text(request, "name")
        if not name:
            raise RegistryError("name: who is it?")
        return admit_operator(keyring, name, _public(request, "public"))
    if do == "revoke":
        return revoke(keyring, _text(request, "key"), _text(request, "reason"))
    if do == "certify":
        raws = request.get("certificates")
        if not isinstance(raws, list):
            raise RegistryError("certificates: a list is needed")
        certificates = tuple(_bytes({"certificate": raw}, "certificate") for raw in raws)
        registrar = _bytes(request, "registrar")
        root = _public(request, "root") if registrar else b""
        return certify(keyring, site, ReturnedCertificates(_public(request, "signer"), certificates, root, registrar))
    raise RegistryError(f"{do!r} is nothing that can be done with keys")


_KEYS = {"do", "node", "name", "key", "reason", "public", "challenge", "proof"}
_KEYS |= {"certificates", "signer", "registrar", "root"}


def _text(request: Request, name: str) -> str:
    value = request.get(name, "")
    if not isinstance(value, str) or len(value) > 200 or not (value.isprintable() or not value):
        raise RegistryError(f"{name}: a text of at most 200 printable characters is needed")
    return value


def _public(request: Request, name: str) -> bytes:
    public = _bytes(request, name)
    if len(public) != PUBLIC_SIZE:
        raise RegistryError(f"{name}: {2 * PUBLIC_SIZE} hexadecimal digits are needed")
    try:
        check_public(public)
    except EvidenceError as error:
        raise RegistryError(f"{name}: {error}") from None
    return public


def _bytes(request: Request, name: str) -> bytes:
    value = request.get(name, "")
    if not isinstance(value, str) or len(value) % 2 or not _HEX.fullmatch(value):
        raise RegistryError(f"{name}: hexadecimal digits are needed")
    return bytes.fromhex(value)
