"""Webhook: each journal row as a signed POST of JSON to one address.

`X-Sanfang-Signature: t=<seconds since 1970>,v1=<hex>` where v1 is HMAC-SHA256 over `<t>.<body>` with the
hook's secret. `Idempotency-Key` is the row's id; a row may come twice, under the same id. Redirects are not
followed. 2xx: delivered. 400, 413, 415, 422 and the like: this row is refused. Everything else: later again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import socket
import ssl
import threading
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from hub.notify.address import AddressRefused, resolve
from hub.notify.outcome import DELIVERED, Outcome, Result
from hub.notify.trouble import is_own_trouble
from hub.settings import WebhookSettings
from hub.store.database import Row
from hub.store.journal import row_id

CONNECT_S: Final = 5.0
TIMEOUT_S: Final = 10.0
"""For all of it, however slowly the receiver speaks."""
_NOT_THIS_ROW: Final = frozenset({400, 406, 409, 411, 412, 413, 414, 415, 416, 417, 422, 431})


class Webhook:
    """One hook of hub.yaml."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._url = urlsplit(settings.url)
        self._tls = ssl.create_default_context() if self._url.scheme == "https" else None
        self._going: _PinnedConnection | None = None

    @property
    def name(self) -> str:
        return f"webhook:{self._settings.name}"

    def wants(self, row: Row) -> bool:
        """Its sites and kinds; a kind that ends in `.*` stands for all that begin so."""
        if self._settings.sites and row["site"] not in self._settings.sites:
            return False
        kind: str = row["kind"]
        fits = any(
            kind.startswith(wanted[:-1]) if wanted.endswith(".*") else kind == wanted
            for wanted in self._settings.kinds
        )
        return fits and not is_own_trouble(self.name, row)

    def deliver(self, row: Row, now: datetime) -> Outcome:
        """POST the row; at most 15 s."""
        body = write_body(row)
        identity = row_id(row["site"], row["seq"], row["hash"])
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Sanfang",
            "Idempotency-Key": identity,
            "X-Sanfang-Signature": sign(self._settings.secret.get_secret_value(), body, now),
        }
        try:
            status = self._post(body, headers)
        except AddressRefused as error:
            return Outcome(Result.FAILED, str(error))
        except (OSError, http.client.HTTPException) as error:
            return Outcome(Result.FAILED, f"{self._url.hostname}: {str(error) or type(error).__name__}")
        if 200 <= status < 300:
            return DELIVERED
        reason = f"{self._url.hostname} answered {status}"
        if 300 <= status < 400:
            reason += ": redirects are not followed; write the final address"
        return Outcome(Result.REFUSED if status in _NOT_THIS_ROW else Result.FAILED, reason)

    def close(self) -> None:
        """Break off what is being sent."""
        going = self._going
        if going is not None:
            going.abort()

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._tls else 80)
        address = resolve(host, port, allow_private=self._settings.allow_private)
        connection = _PinnedConnection(host, port, address, self._tls)
        # A socket's own time-out counts from byte to byte; a receiver that drips would hold us for ever.
        deadline = threading.Timer(TIMEOUT_S, connection.abort)
        deadline.daemon = True
        self._going = connection
        deadline.start()
        try:
            path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        finally:
            self._going = None
            deadline.cancel()
            connection.close()


class _PinnedConnection(http.client.HTTPConnection):
    """Goes to an address that was judged, under the name that was asked for. No proxy, no redirect."""

    def __init__(self, host: str, port: int, address: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=CONNECT_S)
        self._address = address
        self._tls = tls
        self._aborted = False

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), timeout=CONNECT_S)
        self.sock = plain
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
        self.sock.settimeout(TIMEOUT_S)
        if self._aborted:
            raise TimeoutError("broken off")

    def abort(self) -> None:
        """End it from another thread."""
        self._aborted = True
        sock = self.sock
        if sock is not None:
            try:
                # Through the plain socket: TLS would first say good-bye to a peer that does not listen.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return


def write_body(row: Row) -> bytes:
    """The row as JSON: id, site, seq, at (UTC, µs), actor, subject, kind, body, hash. Persons only by id."""
    document: dict[str, Any] = {
        "id": row_id(row["site"], row["seq"], row["hash"]),
        "site": row["site"],
        "seq": row["seq"],
        "at": row["at"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": row["actor"],
        "subject": row["subject"],
        "kind": row["kind"],
        "body": row["body"],
        "hash": bytes(row["hash"]).hex(),
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(secret: str, body: bytes, now: datetime) -> str:
    """The signature header's value: the receiver checks the HMAC, and that the time is about now."""
    at = str(int(now.timestamp()))
    mac = hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"
