"""A time as people read it. Imports nothing of the gateway."""

from datetime import UTC, datetime


def utc(utc_ms: int) -> str:
    """Milliseconds since 1970 as "2026-11-30 19:14:00 UTC"."""
    return f"{datetime.fromtimestamp(utc_ms // 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
