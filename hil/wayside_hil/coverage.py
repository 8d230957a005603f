"""Which lines of the firmware's Python files were run on the unix target, as LCOV (geninfo(1), "FILES").

MicroPython itself says so (sys.settrace, unix_modules/hil_cover.py). What lines there are is CPython's view of the same
file: of a statement over several lines MicroPython may name another one.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

_SCRIPT = Path(__file__).resolve().parent / "unix_modules" / "hil_cover.py"
_NO_CODE = re.compile(r"_\w+\s*=\s*const\(")  # MicroPython writes the number wherever the name stands


def covered(words: list[str], notes: Path, folders: list[Path]) -> tuple[list[str], dict[str, str]]:
    """(the command, its environment) that runs words, a MicroPython and its arguments, and notes lines of files in
    these folders."""
    at = next(place for place, word in enumerate(words) if word.endswith(".py") or word == "-m")
    environment = {"HIL_COVERAGE": str(notes), "HIL_COVERED": ":".join(map(str, folders))}
    return [*words[:at], str(_SCRIPT), *words[at:]], environment


def lcov(notes: Path, folders: list[Path]) -> str:
    """The report: of each file that was noted, and of the others in these folders too."""
    there = (path.resolve() for folder in folders for path in sorted(folder.rglob("*.py")))
    ran: dict[Path, set[int]] = {path: set() for path in there}
    for note in notes.read_text().splitlines() if notes.exists() else []:
        name, _, line = note.rpartition(":")
        ran.setdefault(Path(name).resolve(), set()).add(int(line))
    return "".join(_record(path, lines) for path, lines in ran.items() if path.is_file())


def _record(path: Path, ran: set[int]) -> str:
    text = path.read_text()
    source = text.splitlines()
    compiled = set(_lines(compile(text, str(path), "exec"))) - set(_words(ast.parse(text)))
    there = {line for line in compiled if not _NO_CODE.match(source[line - 1])}
    data = "".join(f"DA:{line},{int(line in ran)}\n" for line in sorted(there))
    return f"SF:{path}\n{data}LF:{len(there)}\nLH:{len(there & ran)}\nend_of_record\n"


def _words(tree: ast.Module) -> Iterator[int]:
    """Lines of docstrings, which MicroPython leaves out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield from range(first.lineno, (first.end_lineno or first.lineno) + 1)


def _lines(code: CodeType) -> Iterator[int]:
    """Lines with code, functions and classes in it included; the lines that define them once."""
    yield from (line for _, _, line in code.co_lines() if line)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from (line for line in _lines(each) if line != each.co_firstlineno)
