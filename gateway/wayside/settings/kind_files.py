"""Kinds of which each is one file in a folder: its name is what the site file calls it. Imports `toml_file`."""

import importlib
import pkgutil
import sys
from typing import Any

from wayside.text.unknown import unknown


class KindFiles:
    """Those in a package. between: what stands between the words of a name in the site file, where files have _."""

    def __init__(self, package: str, between: str = "_"):
        self._package = package
        self._between = between

    def names(self) -> list[str]:
        """Of the files that are there now."""
        found = pkgutil.iter_modules(sys.modules[self._package].__path__)
        return sorted(module.name.replace("_", self._between) for module in found)

    def known(self, name: str) -> str:
        """`name`; ValueError says which there are when there is none of this name."""
        if name not in self.names():
            raise ValueError(unknown("kind", name, self.names()))
        return name

    def module(self, name: str) -> Any:
        """The file of one of names()."""
        return importlib.import_module(f"{self._package}.{name.replace(self._between, '_')}")
