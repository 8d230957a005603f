"""The management socket: each request has its handler, who asks is who connects, and what is refused is an answer."""

import asyncio
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from waiting import until
from wayside.daemon.manage import serve_manager
from wayside.log import LogError
from wayside.runtime.machine_user import user_name


async def greet(request: Mapping[str, Any], who: str) -> dict[str, Any]:
    return {"ok": True, "text": f"{who}: {request['word']}"}


async def refuse(request: Mapping[str, Any], who: str) -> dict[str, Any]:
    raise LogError("the disk is full")


def asked(path: Path, line: bytes) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(line + b"\n")
        with connection.makefile("rb") as file:
            answer: dict[str, Any] = json.loads(file.readline())
            return answer


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"do": "greet", "word": "good day"}', f"user {user_name(os.getuid())} of this machine: good day"),
        (b'{"do": "refuse"}', "the disk is full"),
        (b'{"do": "dance"}', "'dance' is nothing that can be done; there are: greet, refuse"),
        (b'{"do": ["greet"]}', "is nothing that can be done"),
        (b"{}", "None is nothing that can be done"),
        (b"[]", "a JSON object is needed"),
        (b"{", ""),
    ],
)
def test_each_request_has_an_answer(tmp_path: Path, line: bytes, said: str) -> None:
    path = tmp_path / "manage.sock"

    async def scenario() -> None:
        serving = asyncio.create_task(serve_manager(path, {"greet": greet, "refuse": refuse}))
        await until(path.exists)
        answer = await asyncio.to_thread(asked, path, line)
        assert said in answer.get("text", answer.get("error")) and answer["ok"] == (b"good day" in line)
        serving.cancel()

    asyncio.run(scenario())
