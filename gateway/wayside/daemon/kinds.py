"""The kinds of parts whose tables stand beside their code: what each table's part is made by. The only list of them.

Only `site_parts` uses it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wayside.daemon.core import Core
from wayside.part import Part, Settings
from wayside.south import adapter


class Kind(NamedTuple):
    """`make(settings, core)`: the part that a table asks for; `section`: of the status."""

    make: Callable[[Any, Core], Part]
    section: str


KINDS: Mapping[type[Settings], Kind] = {
    adapter.Adapter: Kind(adapter.make, "adapters"),
}
