"""The kinds of parts whose tables stand beside their code: what each table's part is made by. The only list of them.

Only `site_parts` uses it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wayside.daemon import radios, sinks
from wayside.daemon.core import Core
from wayside.north.sink_table import Sink
from wayside.part import Part, Settings
from wayside.south import adapter
from wayside.south.adapter import Adapter
from wayside.south.ble.table import Ble
from wayside.south.lora.table import Radio


class Kind(NamedTuple):
    """`make(settings, core)`: the part that a table asks for; `sections`: of the status, in which it says something.

    `is_north`: stopped last, to send what came last.
    """

    make: Callable[[Any, Core], Part]
    sections: tuple[str, ...]
    is_north: bool = False


KINDS: Mapping[type[Settings], Kind] = {
    Radio: Kind(radios.make_lora, ("radios",)),
    Ble: Kind(radios.make_bluetooth, ("bluetooth", "environment")),
    Adapter: Kind(adapter.make, ("adapters",)),
    Sink: Kind(sinks.make, ("sinks", "backlogs"), is_north=True),
}
