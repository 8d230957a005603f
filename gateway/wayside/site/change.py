"""Another site file in the place of the one in force: the checks, the trial, the verdict. `cli` and `remote` use it.

Between `config`, `history` and those two.
"""

from pathlib import Path

from wayside.site import config, secret_files
from wayside.site.config import SiteFile
from wayside.site.history import HistoryError, SiteHistory, Version


def check(site: Path, candidate: Path) -> SiteFile:
    """The file `candidate` for the place of the site file `site`; SiteFileError, or HistoryError: another site's."""
    new = config.load(candidate, site)
    try:
        old = config.load(site)
    except config.SiteFileError:
        return new  # a file that was broken by hand is what one wants to get away from
    if old.site != new.site:
        raise HistoryError(
            "[site] differs: another name or state folder is another site, with keys and a log of its own"
        )
    return new


def check_here(site: Path, candidate: Path) -> SiteFile:
    """As `check`, where the gateway runs: the files of secrets that it names are judged too."""
    new = check(site, candidate)
    secret_files.check(new, site)
    return new


def check_bytes(site: Path, data: bytes) -> SiteFile:
    """As `check_here`, of what has no file yet."""
    copy = site.with_name(f".{site.name}.new")
    copy.write_bytes(data)
    try:
        return check_here(site, copy)
    finally:
        copy.unlink()


def failure(history: SiteHistory, version: Version) -> str:
    """Why `version` did not come up; empty when it is in force. HistoryError while there is no verdict."""
    if history.trial():
        raise HistoryError(f"no verdict yet on version {version.number}; see: wayside config history")
    [found] = [each for each in history.versions() if each.number == version.number]
    return found.failed
