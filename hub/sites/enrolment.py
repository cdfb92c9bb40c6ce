"""How an edge becomes ours: an invitation, used once, from which both sides derive the root secret.

Nothing secret crosses the wire: the invitation's secret is carried by a person, and each side proves
that it has it by a MAC over the other's nonce.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hub.domain.error import ActRefused, HubError, InvalidAct, NotFound
from hub.store.database import Connection, Pool, borrow, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.site import find_edges, load_invite, save_enrolment, save_invite

VALID_FOR: Final = timedelta(hours=24)
NONCE_BYTES: Final = 32


class NotInvited(HubError):
    """The invitation is unknown, too old, or its secret was not proved."""

    status = 403
    code = "not_invited"


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """An edge's word: `edge_nonce` base64 of 32 bytes, `proof` hex of HMAC(secret, "edge" + nonce)."""

    site: str
    edge: str
    invite: str
    edge_nonce: str
    proof: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The hub's word: `hub_nonce` base64, `proof` hex of HMAC(secret, "hub" + edge nonce + hub nonce)."""

    hub_nonce: str
    proof: str
    key_number: int


def invite_edge(connection: Connection, edge: str, site: str | None, *, url: str, at: datetime) -> str:
    """An invitation token: base64url of JSON {v, url, site, edge, invite, secret, ca}; `secret` is
    base64 of 32 bytes. Raises NotFound, InvalidAct.
    """
    sites = [each for each in find_edges(connection, edge) if site in (None, each)]
    if not sites:
        raise NotFound(
            f"edge: there is no edge {edge!r}" + (f" at {site}" if site else "") + " in the configuration"
        )
    if len(sites) > 1:
        raise InvalidAct(f"site: the edge {edge!r} is at {', '.join(sites)}; say which with --site")
    invite, secret = secrets.token_hex(8), secrets.token_bytes(32)
    with transaction(connection):
        site_turn(connection, sites[0])
        save_invite(connection, sites[0], edge, invite=invite, secret=secret, at=at, expires_at=at + VALID_FOR)
        _journal(connection, sites[0], edge, "edge.invited", invite, "system:hub", at)
    document = {
        "v": 1,
        "url": url,
        "site": sites[0],
        "edge": edge,
        "invite": invite,
        "secret": base64.b64encode(secret).decode(),
        "ca": "",
    }
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def enrol_edge(pool: Pool, request: EnrolmentRequest, now: datetime) -> Enrolment:
    """Take an edge in, once per invitation, journaled. Raises InvalidAct, NotInvited, ActRefused."""
    edge_nonce = _read_nonce(request.edge_nonce)
    with borrow(pool) as connection, transaction(connection):
        site_turn(connection, request.site)
        row = load_invite(connection, request.site, request.invite)
        if row is None or row["edge"] != request.edge:
            raise NotInvited("the invitation is not known; make a new one with `sanfang edge invite`")
        if row["used_at"] is not None:
            raise ActRefused("the invitation was used already; make a new one with `sanfang edge invite`")
        secret = bytes(row["secret"])
        wanted = hmac.digest(secret, b"edge" + edge_nonce, "sha256").hex()
        if not hmac.compare_digest(wanted.encode(), request.proof.lower().encode()):
            raise NotInvited("the proof does not fit the invitation; was the token copied whole?")
        if row["expires_at"] <= now:
            raise NotInvited("the invitation is older than 24 h; make a new one with `sanfang edge invite`")
        hub_nonce = secrets.token_bytes(NONCE_BYTES)
        root_secret = hmac.digest(secret, b"sanfang root" + edge_nonce + hub_nonce, "sha256")
        key_number = save_enrolment(
            connection, request.site, request.edge, invite=request.invite, root_secret=root_secret, at=now
        )
        _journal(
            connection, request.site, request.edge, "edge.enrolled", request.invite, f"edge:{request.edge}", now
        )
    return Enrolment(
        hub_nonce=base64.b64encode(hub_nonce).decode(),
        proof=hmac.digest(secret, b"hub" + edge_nonce + hub_nonce, "sha256").hex(),
        key_number=key_number,
    )


def _read_nonce(text: str) -> bytes:
    try:
        nonce = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != NONCE_BYTES:
        raise InvalidAct(f"edge_nonce: is not base64 of {NONCE_BYTES} bytes")
    return nonce


def _journal(
    connection: Connection, site: str, edge: str, kind: str, invite: str, actor: str, at: datetime
) -> None:
    append_journal(
        connection,
        site,
        at=at,
        actor=actor,
        subject=f"edge:{edge}",
        kind=kind,
        body={"edge": edge, "invite": invite},
    )
