"""What a quantity can be at all, whatever stands in a frame: beyond it something is broken, or misunderstood."""

# SenML unit: (lowest, highest) in hundredths, None: no limit. Absolute zero; percentages of a whole; humidity as the
# Environmental Sensing Service and every datasheet give it.
_LIMITS = {"Cel": (-27315, None), "%RH": (0, 10000), "%EL": (0, 10000), "/100": (0, 10000), "K": (0, None)}
_STEP = -2


def is_possible(unit: str, mantissa: int, exponent: int) -> bool:
    """Whether mantissa * 10**exponent of this unit can be; true where nothing is known against it."""
    if unit not in _LIMITS:
        return True
    least, most = _LIMITS[unit]
    steps = exponent - _STEP
    value = mantissa * 10 ** max(steps, 0)
    scale = 10 ** max(-steps, 0)
    return (least is None or value >= least * scale) and (most is None or value <= most * scale)
