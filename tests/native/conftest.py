import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from native.calls import PROGRAM, Ask


@pytest.fixture
def ask(micropython: Path) -> Ask:
    """Calls of wayside_native in one run of the VM; arguments and results in hexadecimal."""

    def run(calls: list[tuple[str, list[str]]]) -> list[Any]:
        lines = "".join(json.dumps(call) + "\n" for call in calls)
        done = subprocess.run(
            [micropython, "-c", PROGRAM], input=lines, capture_output=True, text=True, timeout=60, check=True
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
