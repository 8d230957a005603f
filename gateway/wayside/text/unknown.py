"""What to say of a name that nobody knows. Imports the standard library only: every command line begins with it."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, given: str, known: Iterable[str], where: str = "") -> str:
    """What to say of a name that is not among `known`. where: they are to be found, instead of a list of them."""
    names = sorted(known)
    near = [one for one in names if one.lower() == given.lower()] or difflib.get_close_matches(given, names, 1)
    hints = [f'did you mean "{near[0]}"?'] if near else [] if where else [f"known: {', '.join(names)}"]
    return f'unknown {kind} "{given}"; {" ".join([*hints, where])}'.rstrip()
