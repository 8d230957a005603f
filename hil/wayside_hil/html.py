"""One page with every test: what became of it, what its boards said and did. It needs no other file, no network."""

from html import escape
from pathlib import Path
from typing import Any

import pytest

_STYLE = """
body { font: 14px sans-serif; margin: 2em; } summary { cursor: pointer; padding: .3em; }
pre { background: #f4f4f4; padding: .6em; overflow: auto; max-height: 30em; }
svg { max-width: 100%; border: 1px solid #ddd; }
.passed > summary { background: #dfd; } .failed > summary { background: #fdd; } .skipped > summary { background: #eee; }
"""


class Page:
    """The parts come by add() in any order."""

    def __init__(self, path: Path):
        self._path = path
        self._parts: list[str] = []
        self._counts: dict[str, int] = {}

    def add(self, report: pytest.TestReport) -> None:
        """A test's report; `hil_boards` of it has the boards."""
        outcome = report.outcome
        self._counts[outcome] = self._counts.get(outcome, 0) + 1
        boards: list[dict[str, Any]] = getattr(report, "hil_boards", [])
        simulated = "".join(f", {escape(each['name'])} {each['seconds']:.3f} s of its own" for each in boards)
        opened = " open" if report.failed else ""
        self._parts.append(
            f'<details class="{outcome}"{opened}><summary>{escape(report.nodeid)}: {outcome}, {report.duration:.2f} s'
            f"{simulated}</summary>{self._why(report)}{''.join(map(_board, boards))}</details>"
        )

    def _why(self, report: pytest.TestReport) -> str:
        if report.passed:
            return ""
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        return f"<pre>{escape(why)}</pre>"

    def write(self) -> None:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self._counts.items()))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Bench: {counts}</title>'
            f"<style>{_STYLE}</style><h1>{counts or 'no tests'}</h1>{''.join(self._parts)}</html>\n"
        )


def _board(board: dict[str, Any]) -> str:
    name = escape(board["name"])
    console = f"<h4>{name}: console</h4><pre>{escape(board['console'])}</pre>"
    return f"{console}<h4>{name}: pins and lines</h4>{board['picture']}"
