"""The profiles that a site can name: its own, in the folder `profiles` beside the site file, and those of Wayside.

A profile of one's own is named as Wayside's are, by its file without `.toml`, and comes before one of Wayside's with
the same name: an update of Wayside must not change what a site's registers mean. A name with `/` in it or with `.toml`
at its end is a path, from the site file's folder. Why: docs/decisions/0108.
"""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from wayside.text.unknown import unknown

from .loader import DISCOVERED, Profile, ProfileError, load, load_file, names

FOLDER = "profiles"


def misnamed(path: Path, profile: Profile) -> str:
    """What is wrong with a file of the folder `profiles` that is not called as its profile."""
    return f'{path}: profile.name: is "{profile.name}"; write "{path.stem}", or rename the file'


class FoundProfile(NamedTuple):
    """A profile that a site names. path: of its own file, None for one of Wayside's; label: as the log says it."""

    profile: Profile
    label: str
    path: Path | None = None


class Library:
    """The profiles of a site whose file is in `folder`; without one, only those that come with Wayside."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder
        self._found: dict[str, FoundProfile] = {}

    def own(self) -> dict[str, Path]:
        """The files in the folder `profiles`, by name."""
        if self._folder is None:
            return {}
        return {path.stem: path for path in sorted((self._folder / FOLDER).glob("*.toml"))}

    def names(self) -> frozenset[str]:
        """Every name that `find` knows; there may be paths beside."""
        return names() | self.own().keys()

    def find(self, name: str) -> FoundProfile:
        """The profile of this name or path; ProfileError when there is none or it is not valid."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def load(self, name: str) -> Profile:
        """As `find`, the profile alone."""
        return self.find(name).profile

    def all(self) -> tuple[list[Profile], list[str]]:
        """Every profile that has a name and registers, and what is wrong with the site's own that cannot be used."""
        usable, problems = [], []
        for name in sorted(self.names() - {DISCOVERED.name}):
            try:
                usable.append(self.load(name))
            except ProfileError as error:
                problems += error.problems
        return usable, problems

    def _find(self, name: str) -> FoundProfile:
        path = self._path(name)
        if path is None:
            if name not in names():
                raise ProfileError([self._unknown(name)])
            return FoundProfile(load(name), name)
        profile = load_file(path)
        if profile.name == DISCOVERED.name:
            raise ProfileError(
                [f'{path}: profile.name: "{DISCOVERED.name}" means a device that is asked; give another']
            )
        if not _is_path(name) and profile.name != name:
            raise ProfileError([misnamed(path, profile)])
        # The name alone would not say which of its contents was in force.
        return FoundProfile(profile, f"{profile.name}@{sha256(path.read_bytes()).hexdigest()[:16]}", path)

    def _unknown(self, name: str) -> str:
        where = "`wayside profile list` shows all"
        if self._folder is not None:
            where = f"one of your own would be {self._folder / FOLDER / name}.toml; {where}"
        return unknown("profile", name, self.names(), where)

    def _path(self, name: str) -> Path | None:
        """The file of the site's own that is meant, None for none."""
        if not _is_path(name):
            return self.own().get(name)
        if self._folder is None:
            raise ProfileError([f"{name}: a path starts at a site file, and there is none"])
        path = self._folder / name
        if path.suffix != ".toml" or (path.exists() and not path.is_file()):
            raise ProfileError([f'{name}: a profile is a file whose name ends with ".toml"'])
        if "secrets" in path.parts:
            raise ProfileError([f"{name}: the folder secrets is for other files; put profiles into {FOLDER}"])
        return path


class Tolerant(Library):
    """For who asks for the site file and needs no profile: of one that cannot be used nothing is known, and no more."""

    def _find(self, name: str) -> FoundProfile:
        try:
            return super()._find(name)
        except ProfileError:
            return FoundProfile(DISCOVERED, name)


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".toml")
