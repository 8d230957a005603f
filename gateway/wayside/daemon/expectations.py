"""What the site file says of each device, for those who have to notice that something is missing."""

from wayside import profiles
from wayside.config import SiteFile
from wayside.config_bus import BusDevice
from wayside.expected import Expected


def expected(site: SiteFile) -> dict[str, Expected]:
    """Every device of `site`, by name."""
    polled = {device.name: _polled(device) for bus in site.bus for device in bus.device}
    others = {device: told for each in site.parts() for device, told in each.devices().items()}
    return {name: Expected() for name in site.device_names()} | polled | others


def _polled(device: BusDevice) -> Expected:
    report_s = device.report_ms / 1000
    if device.profile == profiles.DISCOVERED.name:
        return Expected(report_s, frozenset(device.channels) if device.channels else None)
    fields = device.found.profile.select(device.channels)
    return Expected(report_s, frozenset(field.channel for field in fields))
