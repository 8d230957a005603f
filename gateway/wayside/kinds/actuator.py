"""An `[[actuator]]`: what the desk is told of it, carried out by whichever part speaks to the device."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from wayside.control.desk.about import ControlledAbout
from wayside.control.desk.carried import Carried, Timer
from wayside.control.desk.controlled import Controlled
from wayside.control.desk.table import Actuator
from wayside.kinds.core import Core
from wayside.parts.part import Part
from wayside.site.config import SiteFile
from wayside.values.carrier import RELEASED, Controllable, Reversion

_RENEWALS = 3  # so often a device's timer is begun anew before it would end

_Controls = Mapping[str, Controllable]


def wanted(site: SiteFile) -> Iterator[tuple[str, tuple[Actuator, _Controls]]]:
    """Each depends on what its device lets others command."""
    actuators = site.of(Actuator)
    expected = site.expected() if actuators else {}
    for settings in actuators:
        told = expected.get(settings.device)
        yield settings.title(), (settings, dict(told.controls or {}) if told else {})


def make(settings: Actuator, controls: _Controls, core: Core) -> Part:
    what, own = controls[settings.control], settings.timer
    if isinstance(settings.fail_safe, Decimal):
        fail_safe: int | None = what.counts(settings.fail_safe)
    else:  # where no timer would end it, whatever is in force at the start may be ours, and is given back
        fail_safe = None if own else RELEASED
    timer: Timer | Reversion | None = None
    if own and own.control:
        timer = Timer(own.control, controls[own.control].counts_of_seconds(own.seconds))
    elif own:
        timer = Reversion(own.seconds, RELEASED if fail_safe is None else fail_safe)
    renew_s = own.seconds / _RENEWALS if own else None
    carried = Carried(settings.device, settings.control, what, core.carriers, timer)
    controlled = Controlled(carried, fail_safe, core.clock, core.intake.keep, settings.look_s, renew_s)
    task, about = settings.title(), ControlledAbout(controlled, core.clock.monotonic)
    return Part({task: controlled.run}, (about,), (controlled.pulse(task),), commanded=(controlled,))
