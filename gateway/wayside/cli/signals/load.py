"""Reads a junction file for the verbs that need one."""

from pathlib import Path

from wayside.cli.signals import SignalsError
from wayside.control.signals.loader import JunctionFileError, load
from wayside.control.signals.site import Site


def load_site(path: Path) -> Site:
    """The site in the file; SignalsError with every problem."""
    try:
        return load(path)
    except JunctionFileError as error:
        raise SignalsError(str(error)) from None
