"""Sites to try the core on."""

from wayside.control.energy.assets import Asset, AssetKind, SiteAssets
from wayside.control.energy.limits import Direction, Limit, Party

IMPORT, EXPORT = Direction.IMPORT, Direction.EXPORT
ABC = ("a", "b", "c")

BATTERY = Asset("battery", AssetKind.BATTERY, ABC, -5_000, 5_000, capacity_wh=10_000, reserve_wh=1_000)
INVERTER = Asset("pv", AssetKind.INVERTER, ABC, -10_000, 0, default_w=-3_000, rest_w=-10_000)
CAR = Asset(
    "car", AssetKind.CHARGER, ABC, 0, 11_040, default_w=4_140, least_w=4_140, step_w=10, hold_ms=15_000,
    min_on_ms=60_000, min_off_ms=60_000, single="a", single_least_w=1_380, single_high_w=3_680,
)  # fmt: skip
VAN = Asset("van", AssetKind.CHARGER, ("c",), 0, 7_360, least_w=1_380, min_off_ms=60_000)
V2G = Asset("v2g", AssetKind.CHARGER, ABC, -7_000, 11_000, least_w=4_140, capacity_wh=60_000, reserve_wh=10_000)
PUMP = Asset(
    "pump", AssetKind.LOAD, ("b",), 0, 3_000, least_w=3_000, step_w=3_000, min_on_ms=120_000, min_off_ms=300_000
)


def fuse(*watts: int, phases: tuple[str, ...] = ABC) -> Party:
    """A fuse, which says nothing: watts on each phase."""
    limits = tuple(Limit(IMPORT, each, phases, "fuse", 1) for each in watts)
    return Party("fuse", limits)


def remote(name: str, direction: Direction, failsafe: int | None, *, for_ms: int | None = None) -> Party:
    """Somebody from outside, who has to be heard every two minutes."""
    limit = Limit(direction, None, (), name, 4, None, failsafe, for_ms)
    return Party(name, (limit,), 120_000)


def house(*assets: Asset, parties: tuple[Party, ...] = (), **more: int) -> SiteAssets:
    return SiteAssets(ABC, assets or (VAN, PUMP, CAR, BATTERY, INVERTER), parties or (fuse(8_000),), **more)
