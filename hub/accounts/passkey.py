"""Passkeys (WebAuthn) as second factor: a key that never leaves its device signs what the hub asks.

A passkey belongs to the name under which the hub was open when it was made; under another name, an address or a
copied page it signs nothing. So the hub must be opened by a name, over TLS (or as `localhost`).
"""

from __future__ import annotations

import ipaddress
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hub.accounts.desk import OpenedSession, Place
from hub.accounts.factor import (
    WrongCode,
    check_may_enrol,
    check_proven,
    enrolled,
    removed,
    show_factor,
    waiting_session,
)
from hub.accounts.own import prove_own_password
from hub.accounts.record import recording
from hub.domain.error import ActRefused, InvalidAct, NotFound
from hub.store.account import SessionRow
from hub.store.area import NO_SITE
from hub.store.database import Connection, Pool, Row, borrow, transaction
from hub.store.factor import (
    add_passkey,
    list_passkeys,
    remove_passkey,
    set_challenge,
    take_challenge,
    use_passkey,
)

ANSWER_WITHIN: Final = timedelta(minutes=5)
MOST_PASSKEYS: Final = 10
_BROKEN: Final = (ValueError, KeyError, TypeError, IndexError, AttributeError)
"""What the library lets through where a credential is not even well formed."""


@dataclass(frozen=True, slots=True)
class Party:
    """The hub as the browser sees it: its name, and the origin of its pages."""

    host: str
    origin: str

    def check(self) -> None:
        """Raises InvalidAct where a passkey cannot be bound to it."""
        try:
            ipaddress.ip_address(self.host.strip("[]"))
        except ValueError:
            return
        raise InvalidAct(
            f"host: {self.host} is an address, and passkeys are bound to a name; open the hub by its name"
        )


def begin_passkey(
    pool: Pool, session: SessionRow, password: str, party: Party, now: datetime
) -> dict[str, Any]:
    """What the browser's `navigator.credentials.create` is asked (`parseCreationOptionsFromJSON`).

    Raises InvalidAct, TooManyAttempts, NotProven.
    """
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    party.check()
    check_may_enrol(pool, session)
    prove_own_password(pool, session, password, now)
    challenge = secrets.token_bytes(32)
    with borrow(pool, NO_SITE) as connection, transaction(connection):
        known = list_passkeys(connection, session.account)
        set_challenge(connection, session.session_hash, challenge, now)
    if len(known) >= MOST_PASSKEYS:
        raise ActRefused(f"there are {MOST_PASSKEYS} passkeys already; remove one first")
    options = generate_registration_options(
        rp_id=party.host,
        rp_name="Sanfang",
        user_id=session.account.encode(),
        user_name=session.name,
        user_display_name=session.display_name,
        challenge=challenge,
        exclude_credentials=[PublicKeyCredentialDescriptor(id=bytes(row["credential"])) for row in known],
    )
    asked: dict[str, Any] = json.loads(options_to_json(options))
    return asked


def finish_passkey(
    pool: Pool,
    session: SessionRow,
    name: str,
    credential: Mapping[str, Any],
    party: Party,
    now: datetime,
) -> list[str]:
    """Keep the key that the browser made; returns the recovery codes where there were none.

    Raises InvalidAct, ActRefused, NotProven.
    """
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    party.check()
    check_may_enrol(pool, session)
    challenge = _taken(pool, session, now)
    if challenge is None:
        raise ActRefused("nothing was asked of a passkey, or too long ago; begin anew")
    try:
        made = verify_registration_response(
            credential=dict(credential),
            expected_challenge=challenge,
            expected_rp_id=party.host,
            expected_origin=party.origin,
        )
    except (WebAuthnException, *_BROKEN) as error:
        raise InvalidAct(f"credential: is not what was asked for ({_reason(error)}); begin anew") from None
    with recording(pool, session.account, now) as record:
        row = {
            "credential": made.credential_id,
            "name": name,
            "host": party.host,
            "public_key": made.credential_public_key,
            "sign_count": made.sign_count,
            "added_at": now,
        }
        if not add_passkey(record.connection, session.account, row):
            raise ActRefused("this passkey is enrolled already")
        return enrolled(record, session, "passkey")


def remove_own_passkey(pool: Pool, session: SessionRow, credential: bytes, now: datetime) -> None:
    """Take one away. Raises NotProven, NotFound."""
    check_proven(session)
    with recording(pool, session.account, now) as record:
        if not remove_passkey(record.connection, session.account, credential):
            raise NotFound("there is no such passkey")
        removed(record, session, "passkey")


def ask_passkey(pool: Pool, token: str, party: Party, now: datetime) -> dict[str, Any]:
    """What `navigator.credentials.get` is asked in the second step. Raises NotLoggedIn, ActRefused."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import PublicKeyCredentialDescriptor

    party.check()
    challenge = secrets.token_bytes(32)
    with borrow(pool, NO_SITE) as connection, transaction(connection):
        session = waiting_session(connection, token, now)
        keys = _keys(connection, session.account, party)
        set_challenge(connection, session.session_hash, challenge, now)
    if not keys:
        raise ActRefused(
            f"there is no passkey for {party.host}; use another factor, or open the hub by its name"
        )
    options = generate_authentication_options(
        rp_id=party.host,
        challenge=challenge,
        allow_credentials=[PublicKeyCredentialDescriptor(id=key) for key in keys],
    )
    asked: dict[str, Any] = json.loads(options_to_json(options))
    return asked


def show_passkey(
    pool: Pool, token: str, credential: Mapping[str, Any], party: Party, place: Place, now: datetime
) -> OpenedSession:
    """The second step with a passkey's signature. Raises NotLoggedIn, WrongCode, TooManyAttempts."""
    from webauthn import verify_authentication_response
    from webauthn.helpers import base64url_to_bytes
    from webauthn.helpers.exceptions import WebAuthnException

    with borrow(pool, NO_SITE) as connection:
        session = waiting_session(connection, token, now)
    challenge = _taken(pool, session, now)

    def check(connection: Connection, session: SessionRow) -> None:
        if challenge is None:
            raise WrongCode("nothing was asked of a passkey, or too long ago; begin anew")
        try:
            row = _keys(connection, session.account, party).get(base64url_to_bytes(str(credential.get("id"))))
            if row is None:
                raise WrongCode("this passkey is not one of yours here")
            shown = verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=party.host,
                expected_origin=party.origin,
                credential_public_key=bytes(row["public_key"]),
                credential_current_sign_count=row["sign_count"],
            )
        except (WebAuthnException, *_BROKEN) as error:
            raise WrongCode(f"the passkey did not sign what was asked ({_reason(error)})") from None
        use_passkey(connection, bytes(row["credential"]), shown.new_sign_count, now)

    return show_factor(pool, token, "passkey", check, place, now)


def _keys(connection: Connection, account: str, party: Party) -> dict[bytes, Row]:
    rows = list_passkeys(connection, account)
    return {bytes(row["credential"]): row for row in rows if row["host"] == party.host}


def _taken(pool: Pool, session: SessionRow, now: datetime) -> bytes | None:
    # In a transaction of its own: whatever comes of it, a challenge is asked once.
    with borrow(pool, NO_SITE) as connection, transaction(connection):
        return take_challenge(connection, session.session_hash, now - ANSWER_WITHIN)


def _reason(error: Exception) -> str:
    return str(error)[:120] or type(error).__name__
