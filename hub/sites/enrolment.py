"""How an edge becomes ours: an invitation, used once, from which both sides derive the root secret.

Nothing secret crosses the wire: the invitation's secret is carried by a person, and each side proves
that it has it over everything that both have said, the certificate included.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from adapters.contract.enrolment import NONCE_BYTES, Ask, Grant, Renewal, RenewalAsk, fits, is_nonce
from adapters.contract.topic import NAME, Sender
from hub.domain.error import ActRefused, ConfigurationError, HubError, InvalidAct, NotFound
from hub.settings import HubSettings
from hub.sites.broker import credential_name
from hub.store.database import Connection, Pool, borrow, site_turn, transaction
from hub.store.journal import append_journal
from hub.store.site import edge_keys, find_edges, load_invite, remove_enrolment, save_enrolment, save_invite

if TYPE_CHECKING:
    from hub.sites.authority import Authority

VALID_FOR: Final = timedelta(hours=24)


class NotInvited(HubError):
    """The invitation is unknown, too old, or its secret was not proved."""

    status = 403
    code = "not_invited"


class NotEnrolled(HubError):
    """Who asks did not prove to be an edge of ours."""

    status = 403
    code = "not_enrolled"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where edges are taken in: where the broker is for them, and who signs certificates, if anybody."""

    broker_host: str
    broker_port: int
    authority: Authority | None
    edge_days: int

    @property
    def ca(self) -> str:
        """The authority's certificate in PEM; empty without TLS."""
        return "" if self.authority is None else self.authority.certificate

    def certify(self, sender: Sender, request: str, now: datetime) -> str:
        """The edge's certificate in PEM; empty without TLS."""
        if self.authority is None:
            return ""
        return self.authority.certify_edge(sender, request, self.edge_days, now)


def open_desk(settings: HubSettings, passphrase: str | None) -> Desk:
    """The desk as the settings say; it needs an authority where hub or broker speaks TLS.

    Raises ConfigurationError.
    """
    broker, ca = settings.broker, settings.ca
    if broker.tls is None and settings.http.tls is None:
        return Desk(broker.edges_host, broker.port, None, 0)
    if ca is None:
        raise ConfigurationError(
            ["ca: is missing, and edges enrol over TLS by the site's own authority; add ca: {directory: ca}"]
        )
    from hub.sites.authority import Authority  # with `cryptography`: 15 MB that a hub without TLS does not need

    return Desk(broker.edges_host, broker.port, Authority(ca.directory, passphrase), ca.edge_days)


def invite_edge(connection: Connection, edge: str, site: str | None, *, url: str, ca: str, at: datetime) -> str:
    """An invitation token: base64url of JSON {v, url, site, edge, invite, secret, ca}; `secret` is
    base64 of 32 bytes, `ca` the SHA-256 of the authority's certificate in hex, empty for plain HTTP.
    Raises NotFound, InvalidAct.
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
        _journal(connection, sites[0], edge, "edge.invited", {"invite": invite}, "system:hub", at)
    document = {
        "v": 1,
        "url": url,
        "site": sites[0],
        "edge": edge,
        "invite": invite,
        "secret": base64.b64encode(secret).decode(),
        "ca": ca,
    }
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def enrol_edge(pool: Pool, desk: Desk, ask: Ask, now: datetime) -> Grant:
    """Take an edge in, once per invitation, journaled. Raises InvalidAct, NotInvited, ActRefused,
    ConfigurationError where the authority cannot sign; then the invitation stays good.
    """
    if not is_nonce(ask.edge_nonce):
        raise InvalidAct(f"edge_nonce: is not base64 of {NONCE_BYTES} bytes")
    if not NAME.fullmatch(ask.site):
        raise NotInvited("the invitation is not known; make a new one with `sanfang edge invite`")
    with borrow(pool, [ask.site]) as connection, transaction(connection):
        site_turn(connection, ask.site)
        row = load_invite(connection, ask.site, ask.invite)
        if row is None or row["edge"] != ask.edge:
            raise NotInvited("the invitation is not known; make a new one with `sanfang edge invite`")
        if row["used_at"] is not None:
            raise ActRefused("the invitation was used already; make a new one with `sanfang edge invite`")
        secret = bytes(row["secret"])
        if not fits(ask.prove(secret), ask.proof):
            raise NotInvited("the proof does not fit the invitation; was the token copied whole?")
        if row["expires_at"] <= now:
            raise NotInvited("the invitation is older than 24 h; make a new one with `sanfang edge invite`")
        grant = Grant(
            hub_nonce=base64.b64encode(secrets.token_bytes(NONCE_BYTES)).decode(),
            key_number=1,
            broker_host=desk.broker_host,
            broker_port=desk.broker_port,
            certificate=desk.certify(Sender(ask.site, ask.edge), ask.request, now),
            ca=desk.ca,
        )
        root_secret = grant.derive_root(secret, ask)
        key_number = save_enrolment(
            connection, ask.site, ask.edge, invite=ask.invite, root_secret=root_secret, at=now
        )
        _journal(
            connection, ask.site, ask.edge, "edge.enrolled", {"invite": ask.invite}, f"edge:{ask.edge}", now
        )
    grant = replace(grant, key_number=key_number)
    return replace(grant, proof=grant.prove(secret, ask))


def renew_certificate(pool: Pool, desk: Desk, ask: RenewalAsk, now: datetime) -> Renewal:
    """A new certificate for an edge that proves that it is enrolled, journaled. The same asking gets the same
    answer. Raises InvalidAct, NotEnrolled, ActRefused where its credential was revoked, ConfigurationError.
    """
    if desk.authority is None:
        raise ActRefused("this hub has no certificate authority (`ca` in hub.yaml)")
    if not is_nonce(ask.nonce):
        raise InvalidAct(f"nonce: is not base64 of {NONCE_BYTES} bytes")
    if not (NAME.fullmatch(ask.site) and NAME.fullmatch(ask.edge)):
        raise InvalidAct("site, edge: are no names")
    sender = Sender(ask.site, ask.edge)
    with borrow(pool, [ask.site]) as connection:
        key = edge_keys(connection).get((ask.site, ask.edge))
        if key is None or not fits(ask.prove(key.root_secret), ask.proof):
            raise NotEnrolled("the proof does not fit; enrol the edge anew with `sanfang edge invite`")
        before = desk.authority.newest(credential_name(sender))
        if before is not None and before.revoked_at is not None:
            raise ActRefused("the certificate was revoked; enrol the edge anew with `sanfang edge invite`")
        certificate = desk.certify(sender, ask.request, now)
        if desk.authority.newest(credential_name(sender)) != before:
            with transaction(connection):
                site_turn(connection, ask.site)
                actor = f"edge:{ask.edge}"
                _journal(connection, ask.site, ask.edge, "edge.certificate_renewed", {}, actor, now)
    renewal = Renewal(certificate, desk.ca)
    return replace(renewal, proof=renewal.prove(key.root_secret, ask))


def forget_edge(connection: Connection, sender: Sender, *, actor: str, at: datetime) -> bool:
    """Take an edge's root secret away, journaled, so that nothing it signs is believed; whether it had one."""
    with transaction(connection):
        site_turn(connection, sender.site)
        if not remove_enrolment(connection, sender.site, sender.edge):
            return False
        _journal(connection, sender.site, sender.edge, "edge.revoked", {}, actor, at)
    return True


def _journal(
    connection: Connection, site: str, edge: str, kind: str, told: dict[str, str], actor: str, at: datetime
) -> None:
    append_journal(
        connection,
        site,
        at=at,
        actor=actor,
        subject=f"edge:{edge}",
        kind=kind,
        body={"edge": edge, **told},
    )
