"""Reads sets of Ed25519 test cases that others published, where somebody put their JSON files beside the project."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Published:
    """`holds`: what the set itself demands; None where it only describes the case."""

    name: str
    public: bytes
    message: bytes
    signature: bytes
    holds: bool | None


def read(folder: Path) -> list[Published]:
    """The cases of every file in `folder`; ValueError for a form that is not known."""
    return [each for path in sorted(folder.glob("*.json")) for each in _cases(path.name, json.loads(path.read_text()))]


def _cases(name: str, data: Any) -> list[Published]:
    unhex = bytes.fromhex
    if isinstance(data, dict) and "testGroups" in data:  # Wycheproof
        return [
            Published(
                f"{name} {test['tcId']}",
                unhex((group.get("publicKey") or group["key"])["pk"]),
                unhex(test["msg"]),
                unhex(test["sig"]),
                {"valid": True, "invalid": False}.get(test["result"]),
            )
            for group in data["testGroups"]
            for test in group["tests"]
        ]
    if isinstance(data, list) and data and "flags" in data[0]:  # CCTV: messages are text
        return [
            Published(f"{name} {each['number']}", unhex(each["key"]), each["msg"].encode(), unhex(each["sig"]), None)
            for each in data
        ]
    if isinstance(data, list) and data and "pub_key" in data[0]:  # ed25519-speccheck
        return [
            Published(f"{name} {n}", unhex(each["pub_key"]), unhex(each["message"]), unhex(each["signature"]), None)
            for n, each in enumerate(data)
        ]
    raise ValueError(f"{name}: a form of test cases that is not known here")
