"""What every request passes first: who asks, size, origin, the CSRF header; and what every answer carries.

Plain ASGI, so that streams pass through untouched.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.api.fault import answer_fault
from hub.api.guard import bearer_of
from hub.api.proxy import Network, believe
from hub.floorplans.workshop import MOST_FILE_BYTES

MAX_BODY_BYTES: Final = 262_144
LARGE: Final = (
    (re.compile(r"/api/v1/sites/[^/]+/bulk/[a-z]+"), 8_000_000),
    (re.compile(r"/api/v1/sites/[^/]+/floorplans/[^/]+/picture"), MOST_FILE_BYTES),
)
"""Where files are sent: as much as their reader takes."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
ENROLMENT_PATH: Final = "/api/v1/enrolment"
"""Asked by edges, which have no session and no browser."""
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Door:
    """The outermost layer of the application. A route may say another policy for what it answers, a picture."""

    def __init__(self, app: ASGIApp, requests: Counter[tuple[str, int]], proxies: Sequence[Network]) -> None:
        self._app = app
        self._requests = requests
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        peer, port = scope["client"] or ("unknown", 0)
        address, scheme = believe(peer, scope["scheme"], scope["headers"], self._proxies)
        scope["client"], scope["scheme"] = (address, port), scheme

        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests[(scope["method"], message["status"])] += 1
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/api/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = _refusal(scope)
        if refusal is not None:
            await answer_fault(*refusal)(scope, receive, send_dressed)
            return
        await self._app(scope, _bounded(receive, most_bytes(scope["path"])), send_dressed)


def _refusal(scope: Scope) -> tuple[int, str, str] | None:
    """Status, code and message where the request may not come in."""
    headers = Headers(scope=scope)
    length = headers.get("content-length", "0")
    most = most_bytes(scope["path"])
    if not length.isdecimal() or int(length) > most:
        return 413, "too_large", f"{most} bytes at most"
    if "\0" in scope["path"] or b"%00" in scope.get("query_string", b""):
        return 400, "bad_request", "U+0000 cannot stand in an address"
    if not scope["path"].startswith("/api/"):
        return None
    origin = headers.get("origin")
    if origin is not None and not is_own_origin(origin, scope["scheme"], headers.get("host", "")):
        return 403, "wrong_origin", "the request comes from another site's page"
    if (
        scope["method"] not in SAFE_METHODS
        and scope["path"] != ENROLMENT_PATH
        and headers.get("x-sanfang") != "1"
        and bearer_of(headers) is None
    ):
        return 403, "header_missing", "send the header X-Sanfang: 1"
    return None


def most_bytes(path: str) -> int:
    """How large a request to this path may be."""
    return next((most for pattern, most in LARGE if pattern.fullmatch(path)), MAX_BODY_BYTES)


def is_own_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether an Origin header names this very server."""
    parts = urlsplit(origin)
    return bool(host) and parts.scheme == scheme and parts.netloc.lower() == host.lower()


def _bounded(receive: Receive, most: int) -> Receive:
    taken = 0

    async def receive_some() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise HTTPException(413, f"{most} bytes at most")
        return message

    return receive_some
