"""The kinds of parts: what each table of a site file asks for, made of its settings and of what every gateway has.

This file is the only list of them; beside it stands a file for each kind that is made of several folders, with `make`,
and what stands between folders that do not know each other: `journal_feed` and `junction_view` (control and log),
`cosigning` (witness and log), `backlog` and `log_view` (north and log), `meter_memory` (south and log), `left_behind`
(desk and log). `clients` knows whom a part believes and how it shows itself. A kind's table stands beside the code that
it is made of.

Imports every folder but `daemon`, which runs the parts and knows none of the kinds.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from wayside.control.table import JournalFolder
from wayside.kinds import (
    actuator,
    adapters,
    bus,
    controller,
    journal,
    left_behind,
    node,
    radios,
    remote,
    retention,
    sinks,
    tiles,
    web,
    witnesses,
)
from wayside.kinds.core import Core
from wayside.parts.part import Part, PartPlan, Plans, Settings
from wayside.remote.table import RemoteTable
from wayside.settings import toml_file
from wayside.settings.secret_role import PlainFile, Role
from wayside.settings.table import Table
from wayside.site import secret_files
from wayside.site.config import SiteFile
from wayside.south.adapter import AdapterTable
from wayside.south.ble.table import BleTable
from wayside.south.bus_table import BusTable
from wayside.south.lora.table import RadioTable
from wayside.south.node_table import NodeTable
from wayside.web.table import WebTable


class PartKind(NamedTuple):
    """What a site asks for of one kind.

    wanted(site): the name of each part, and all of the site file that the part depends on. make(*that, core): the part.
    sections: of the status, in which it says something. is_north, is_over_devices: see PartPlan.
    """

    make: Callable[..., Part]
    wanted: Callable[[SiteFile], Iterable[tuple[str, tuple[Any, ...]]]]
    sections: tuple[str, ...] = ()
    is_north: bool = False
    is_over_devices: bool = False


def _each(table: type[Settings], make: Callable[[Any, Core], Part], *sections: str, is_north: bool = False) -> PartKind:
    """A kind whose every table is a part, and depends on nothing else."""
    return PartKind(make, lambda site: [(each.title(), (each,)) for each in site.of(table)], sections, is_north)


KINDS = (
    PartKind(retention.make, retention.wanted),
    _each(NodeTable, node.make, "nodes"),
    _each(JournalFolder, journal.make, "journals", "junctions"),
    _each(BusTable, bus.make, "buses"),
    _each(RadioTable, radios.make_lora, "radios"),
    _each(BleTable, radios.make_bluetooth, "bluetooth", "environment"),
    _each(AdapterTable, adapters.make, "adapters"),
    PartKind(actuator.make, actuator.wanted, ("actuators",), is_over_devices=True),
    PartKind(left_behind.make, left_behind.wanted, ("left",)),
    PartKind(controller.make, controller.wanted, ("controllers",)),
    _each(WebTable, web.make, is_north=True),
    _each(RemoteTable, remote.make, is_north=True),
    PartKind(tiles.make, tiles.wanted, is_north=True),
    PartKind(witnesses.make, witnesses.wanted, ("witnesses",), is_north=True),
    PartKind(sinks.make, sinks.wanted, ("sinks", "backlogs"), is_north=True),
)
"""In the order of starting."""

SECTIONS = tuple(section for kind in KINDS for section in kind.sections)
"""Of the status: what a program that reads it finds there also where the site file names nothing of the kind."""


def plans(site: SiteFile, core: Core) -> Plans:
    """A plan for each part of `site`, by name. One changes with what the files hold that its tables name."""
    return {
        name: PartPlan(
            partial(kind.make, *given, core), (given, list(_digests(given, core))), kind.is_north, kind.is_over_devices
        )
        for kind in KINDS
        for name, given in kind.wanted(site)
    }


def _digests(given: object, core: Core) -> Iterator[bytes]:
    """SHA-256 of each file that `given` names, in order; a file that cannot be read counts as empty."""
    if isinstance(given, list | tuple):
        for each in given:
            yield from _digests(each, core)
    if not isinstance(given, Table):
        return
    for use in secret_files.uses(given):
        if use.file.role is not Role.USERS:  # looked at whenever somebody comes
            yield core.clients.digest(use.file)
    for _, value in given:
        if isinstance(value, PlainFile):
            data = b""
            with suppress(OSError):
                data = toml_file.read(core.path.parent / value.path)
            yield hashlib.sha256(data).digest()
