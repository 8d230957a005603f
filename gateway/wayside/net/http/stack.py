"""What the servers of this package ask of aiohttp: sizes of a request, and which errors are worth a message."""

import logging
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

LIMITS: dict[str, Any] = {"max_line_size": 8190, "max_field_size": 8190, "max_headers": 32}
"""Of a request's head, for aiohttp's servers: a quarter of a megabyte at most."""

_MAX_LENGTH = 12  # digits of a Content-Length; int() has a limit of its own, and aiohttp asks it


def logger_for(name: str) -> logging.Logger:
    """Where aiohttp tells of a server: nothing of what strangers cause, or whoever scans the port fills the journal."""
    logger = logging.getLogger(f"{name}.http")
    if _is_ours not in logger.filters:
        logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError)


async def say_continue(request: web.BaseRequest) -> None:
    """Of RFC 9110, 10.1.1; other expectations are ignored. aiohttp's own fails on one that is not ASCII."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")


def has_plain_length(request: web.BaseRequest) -> bool:
    """Whether its Content-Length, if it has one, is a number that can be worked with."""
    length = request.headers.get("Content-Length", "0")
    return length.isascii() and length.isdigit() and len(length) <= _MAX_LENGTH


