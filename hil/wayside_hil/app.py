"""What runs on a board: its program, and with MicroPython the files of an application."""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from .emulator import Emulator
from .repl import BoardRepl, WorldRepl
from .world import World

_PROGRAMS = (".uf2", ".elf", ".bin")
_STARTS = ("main.py", "boot.py")


class AppError(Exception):
    """--app-path names nothing that can run; the text says what to write."""


class Application(NamedTuple):
    """image: the program; files: content by the path on the board; left_out: names of files that the Python files
    mention, and that are not among them."""

    folder: Path
    image: Path | None
    files: dict[str, bytes]
    left_out: list[str]


def find(path: Path, build_dir: str | None, image: Path | None, others: Sequence[str] = ()) -> Application:
    """What --app-path names: a program's file, or a folder with one in it or in its build folder; a folder with main.py
    has the application's Python files too, and those with names like `others`. image: the program, where it lies
    elsewhere. AppError."""
    if path.is_file():
        if path.suffix.lower() not in _PROGRAMS:
            raise AppError(f"--app-path {path}: write a folder, or a file of {', '.join(_PROGRAMS)}")
        return Application(path.parent, path, {}, [])
    if not path.is_dir():
        raise AppError(f"--app-path {path}: there is no such file or folder")
    files = dict(_python_files(path)) if any((path / name).is_file() for name in _STARTS) else {}
    left_out = _mentioned(path, files)
    for pattern in others:
        found = {each.relative_to(path).as_posix(): each.read_bytes() for each in path.glob(pattern) if each.is_file()}
        if not found:
            raise AppError(f"{path}: no file is there like {pattern!r}, which the bench file's board.files names")
        files |= found
    if image is None:
        places = [path, path / (build_dir or "build")]
        programs = sorted(each for place in places for ending in _PROGRAMS for each in place.glob(f"*{ending}"))
        if len(programs) > 1 and len({each.stem for each in programs}) > 1:
            raise AppError(
                f"--app-path {path}: there are several programs, {', '.join(each.name for each in programs)}"
            )
        image = next((each for ending in _PROGRAMS for each in programs if each.suffix == ending), None)
    elif not image.is_file():
        raise AppError(f"{image}: there is no such program; look at `image` in the bench file, or at --image")
    return Application(path, image, files, [name for name in left_out if name not in files])


def _python_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All but the tests, with those of its subfolders; what belongs to a virtual environment is the bench's."""
    environments = [each.parent for each in folder.rglob("pyvenv.cfg")]
    for path in sorted(folder.rglob("*.py")):
        if any(path.is_relative_to(each) for each in environments):
            continue
        place = path.relative_to(folder)
        is_test = path.name.startswith(("test_", "conftest"))
        if not is_test and not any(part.startswith((".", "__")) or part == "build" for part in place.parts):
            yield place.as_posix(), path.read_bytes()


def _mentioned(folder: Path, files: dict[str, bytes]) -> list[str]:
    text = b"\n".join(files.values())
    beside = [each for each in sorted(folder.iterdir()) if each.is_file() and each.suffix != ".py"]
    return [each.name for each in beside if each.name.encode() in text]


def put(repl: WorldRepl, files: dict[str, bytes]) -> None:
    """Write the files by the board's raw REPL, which has been entered."""
    folders = sorted({parent.as_posix() for name in files for parent in Path(name).parents} - {"."})
    for folder in folders:
        repl.run(f"import os\ntry:\n os.mkdir({folder!r})\nexcept OSError:\n pass")
    for name, content in files.items():
        repl.write_file(name, content)
    repl.run("import os\nos.sync() if hasattr(os, 'sync') else None")


_flashes: dict[str, bytes] = {}
_MOST_FLASHES = 8  # of 2 MiB each


def emulated(app: Application, flash: Path, seed: int) -> Emulator:
    """A board with the application on it, just powered up; its flash is kept in the file `flash`. AppError,
    FirmwareError, MissingError.

    A board gets its files over its console, as from a technician; a process does that once for the same ones.
    """
    if app.image is None:
        raise AppError(f"{app.folder}: no program (.uf2, .elf, .bin) is here; name one with --image")
    if app.files:
        made_of = (sha256(app.image.read_bytes()).digest(), seed, sorted(app.files.items()))
        key = sha256(repr(made_of).encode()).hexdigest()
        if key not in _flashes:
            with Emulator(app.image, seed=seed) as board:
                repl = BoardRepl(World(board))
                repl.enter()  # its first words are gone: it says them before USB is up
                put(repl, app.files)
                _flashes[key] = board.flash.read_bytes()
            while len(_flashes) > _MOST_FLASHES:
                del _flashes[next(iter(_flashes))]
        flash.write_bytes(_flashes[key])
    return Emulator(app.image, flash, seed=seed)
