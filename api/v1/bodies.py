"""Reading a request's body: whole, within the limit, and not for ever."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from billing.errors import ProductError
from billing.limits import limit

BODY_SECONDS = 30


class BodyTooLargeError(ProductError):
    """The body is larger than the limit."""

    code = "too_large"

    def __init__(self) -> None:
        super().__init__(f"The body is too large: send at most {limit('body'):,} bytes.")


class TooSlowError(ProductError):
    """The body did not arrive in time."""

    code = "too_slow"


async def read_body(request: Request) -> bytes:
    """The whole body. Errors: ``BodyTooLargeError`` before it is read, ``TooSlowError``."""
    most = limit("body")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise BodyTooLargeError
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > most:
                    raise BodyTooLargeError
    except TimeoutError:
        raise TooSlowError(f"The body did not arrive within {BODY_SECONDS} s.") from None
    except ClientDisconnect:  # nobody reads the answer; it is no fault of this server either
        raise TooSlowError("The body was broken off.") from None
    return bytes(body)
