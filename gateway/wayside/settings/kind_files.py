"""Kinds of which each is one file in a folder: its name is what the site file calls it. Imports what text/ has only.

Such a file is often new, and somebody's own: whatever is wrong with it is one sentence with the file and what to do.
"""

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from wayside.text.unknown import unknown

File = TypeVar("File")


class KindFileError(ValueError):
    """A file that cannot be used as a kind; the text names it, and says what to do."""


class KindFiles(Generic[File]):
    """Those in a package. between: what stands between the words of a name in the site file, where files have _."""

    def __init__(self, package: str, judge: Callable[[Any], File], between: str = "_"):
        """judge(module): what the file is used as; ValueError says what it lacks."""
        self._package = package
        self._judge = judge
        self._between = between

    def names(self) -> list[str]:
        """Of the files that are there now."""
        found = pkgutil.iter_modules(sys.modules[self._package].__path__)
        return sorted(module.name.replace("_", self._between) for module in found)

    def known(self, name: str) -> str:
        """`name`; ValueError says which there are when there is none of this name, or what is wrong with its file."""
        if name not in self.names():
            raise ValueError(unknown("kind", name, self.names()))
        self.load(name)
        return name

    def load(self, name: str) -> File:
        """The file of one of names()."""
        with self.blamed(name):
            module = importlib.import_module(self._module(name))
            try:
                return self._judge(module)
            except ValueError as error:
                raise KindFileError(f"{module.__file__}: {error}") from None

    @contextmanager
    def blamed(self, name: str, *passed: type[Exception]) -> Iterator[None]:
        """While the code of the file of this name runs: what it raises, but `passed`, is told of it, with its line."""
        try:
            yield
        except (Exception, SystemExit) as error:
            if isinstance(error, (KindFileError, *passed)):
                raise
            raise KindFileError(self._told(name, error)) from error

    def _module(self, name: str) -> str:
        return f"{self._package}.{name.replace(self._between, '_')}"

    def _told(self, name: str, error: BaseException) -> str:
        file = self._module(name).rpartition(".")[2] + ".py"
        frames = traceback.extract_tb(error.__traceback__)
        places = [(frame.filename, frame.lineno) for frame in frames if Path(frame.filename).name == file]
        if isinstance(error, SyntaxError) and error.filename:
            places, text = [(error.filename, error.lineno)], error.msg
        else:
            text = str(error)
        where = f"{places[-1][0]}, line {places[-1][1]}" if places else file
        says = f"{type(error).__name__}: {text}" if text else type(error).__name__
        return f"{where}: {says}; correct this file, or take out what names its kind"


def a_class(module: Any, name: str, base: type) -> Any:
    """The class `name` of a file; ValueError unless it stands on `base`."""
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        raise ValueError(f"make its {name} a {base.__module__}.{base.__qualname__}")
    return found


def have_functions(owner: Any, where: str, *names: str, base: type | None = None) -> None:
    """ValueError when `owner` lacks one of the functions, or has it only from its `base`; where: " in its Kind"."""
    for name in names:
        found = getattr(owner, name, None)
        if not callable(found) or (base is not None and found is getattr(base, name)):
            raise ValueError(f"write the function {name}(){where}")
