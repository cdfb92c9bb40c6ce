"""One question to the hub over HTTP: plain on this machine only, else TLS by the site's own authority."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import ssl
import urllib.error
import urllib.request
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from adapters.contract.enrolment import CA_PATH
from edge.error import EnrolmentError

ANSWER_S: Final = 10.0
_ANSWER_BYTES: Final = 65_536
_Answer = TypeVar("_Answer", bound=msgspec.Struct)


def check_url(url: str, *, pinned: bool) -> str:
    """The hub's address without a slash at its end. Raises EnrolmentError where it must not be spoken to."""
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname:
        if not pinned:
            raise EnrolmentError(
                f"{url}: the token lacks the authority's fingerprint; make a new one at the hub"
            )
    elif parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        raise EnrolmentError(
            f"{url}: plain HTTP is for this machine only; give the hub a certificate (`sanfang ca issue`)"
        )
    return url.rstrip("/")


def fetch_authority(url: str, fingerprint: str) -> str:
    """The authority's certificate in PEM, believed only if it has this SHA-256. Nothing but the wish for it
    is said before. Raises EnrolmentError.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    text = _send(urllib.request.Request(f"{url}{CA_PATH}"), context).decode("ascii", "replace")
    check_authority(text, fingerprint)
    return text


def check_authority(text: str, fingerprint: str) -> None:
    """Raises EnrolmentError unless this PEM is the one certificate with that SHA-256."""
    try:
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text.strip())).hexdigest()
    except ValueError:
        found = "no certificate"
    if found != fingerprint.lower():
        raise EnrolmentError(
            f"whoever answers has another authority ({found[:16]}…) than the token says"
            f" ({fingerprint[:16].lower()}…): somebody stands between, or the token is another hub's"
        )


def ask_hub(
    url: str, question: msgspec.Struct, answer: type[_Answer], context: ssl.SSLContext | None
) -> _Answer:
    """Post a question and read the answer; `context` is for https. Raises EnrolmentError."""
    headers = {"Content-Type": "application/json", "X-Sanfang": "1"}
    request = urllib.request.Request(url, msgspec.json.encode(question), headers, method="POST")
    try:
        return msgspec.json.decode(_send(request, context), type=answer)
    except msgspec.DecodeError as error:
        raise EnrolmentError(f"the hub's answer: {error}") from None


def _send(request: urllib.request.Request, context: ssl.SSLContext | None) -> bytes:
    # No proxy: what is asked is the site's own.
    handlers: list[Any] = [urllib.request.ProxyHandler({}), _NoRedirect()]
    if context is not None:
        handlers.append(urllib.request.HTTPSHandler(context=context))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(request, timeout=ANSWER_S) as response:
            data: bytes = response.read(_ANSWER_BYTES)
            return data
    except urllib.error.HTTPError as error:
        with error:
            raise EnrolmentError(f"the hub refuses: {_read_message(error.read(_ANSWER_BYTES))}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise EnrolmentError(f"the hub at {request.full_url} cannot be reached: {reason}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A hub redirects nobody: who does is another."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _read_message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
