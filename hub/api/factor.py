"""One's own second factors over HTTP: an authenticator app, recovery codes, passkeys."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import Field

from hub.accounts.factor import (
    confirm_enrolment,
    enrol_totp,
    read_factors,
    remove_own_totp,
    renew_recovery_codes,
)
from hub.accounts.passkey import begin_passkey, finish_passkey, remove_own_passkey
from hub.accounts.vault import Vault
from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.drawing import QrView, draw_qr
from hub.api.fault import ACT_FAULTS, FAULTS, TOO_MANY
from hub.api.guard import Asker, Password, in_person, party_of
from hub.api.views import Moment, View
from hub.clock import utc_now

router = APIRouter(prefix="/api/v1/account", tags=["second factor"])


class PasskeyItem(View):
    """`host`: the hub's name under which it was made; it works under that one alone."""

    passkey: str
    name: str
    host: str
    added_at: Moment
    used_at: Moment | None


class FactorsView(View):
    """`totp_since` null: no authenticator is enrolled."""

    totp_since: Moment | None
    passkeys: list[PasskeyItem]
    recovery_codes_left: int


class TotpView(View):
    """Shown once: the secret to type, the address for a link on the phone itself, and the same as a QR code."""

    secret: str
    uri: str
    qr: QrView


class RecoveryView(View):
    """Shown once, each good once; empty where the account has some already."""

    recovery_codes: list[str]


class ProofBody(Body):
    password: Password


class AskedView(View):
    """WebAuthn's own options as JSON (`parseCreationOptionsFromJSON`, `parseRequestOptionsFromJSON`)."""

    options: dict[str, Any]


class PasskeyBody(Body):
    """`credential` is the browser's answer, `toJSON()`."""

    name: Annotated[Line, Field(min_length=1)]
    credential: dict[str, Any]


class ConfirmBody(Body):
    code: Annotated[Line, Field(min_length=1)]


@router.get("/factors", operation_id="getFactors", dependencies=[in_person], responses=FAULTS)
def get_factors(here: Here, asker: Asker) -> FactorsView:
    """What you have enrolled."""
    found = read_factors(here.pool, asker.account)
    return FactorsView(
        totp_since=found.totp_since,
        passkeys=[
            PasskeyItem(
                passkey=bytes(each["credential"]).hex(),
                name=each["name"],
                host=each["host"],
                added_at=each["added_at"],
                used_at=each["used_at"],
            )
            for each in found.passkeys
        ],
        recovery_codes_left=found.recovery_codes_left,
    )


@router.post("/totp", operation_id="enrolTotp", dependencies=[in_person], responses={**ACT_FAULTS, **TOO_MANY})
def post_totp(body: ProofBody, here: Here, asker: Asker) -> TotpView:
    """Begin with an authenticator app: scan the code, then confirm within 15 minutes."""
    made = enrol_totp(
        here.pool,
        Vault(here.settings.data_dir),
        asker,
        body.password.get_secret_value(),
        here.settings.http.name or here.settings.http.host,
        utc_now(),
    )
    return TotpView(secret=made.secret, uri=made.uri, qr=draw_qr(made.uri))


@router.post("/totp/confirm", operation_id="confirmTotp", dependencies=[in_person], responses=ACT_FAULTS)
def post_totp_confirm(body: ConfirmBody, here: Here, asker: Asker) -> RecoveryView:
    """The app is enrolled with a code of it, and this session counts as one that showed it."""
    vault = Vault(here.settings.data_dir)
    return RecoveryView(recovery_codes=confirm_enrolment(here.pool, vault, asker, body.code, utc_now()))


@router.post(
    "/totp/remove",
    operation_id="removeTotp",
    dependencies=[in_person],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_totp_remove(here: Here, asker: Asker) -> None:
    """Take the app away; needs a session that showed a factor. With the last factor that trust ends."""
    remove_own_totp(here.pool, asker, utc_now())


@router.post(
    "/passkeys/begin",
    operation_id="beginPasskey",
    dependencies=[in_person],
    responses={**ACT_FAULTS, **TOO_MANY},
)
def post_passkey_begin(body: ProofBody, request: Request, here: Here, asker: Asker) -> AskedView:
    """Begin with a passkey: what to hand to `navigator.credentials.create`."""
    password = body.password.get_secret_value()
    return AskedView(options=begin_passkey(here.pool, asker, password, party_of(request), utc_now()))


@router.post("/passkeys", operation_id="addPasskey", dependencies=[in_person], responses=ACT_FAULTS)
def post_passkey(body: PasskeyBody, request: Request, here: Here, asker: Asker) -> RecoveryView:
    """Keep the passkey that the browser made; this session counts as one that showed it."""
    codes = finish_passkey(here.pool, asker, body.name, body.credential, party_of(request), utc_now())
    return RecoveryView(recovery_codes=codes)


@router.post(
    "/passkeys/{passkey}/remove",
    operation_id="removePasskey",
    dependencies=[in_person],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_passkey_remove(
    passkey: Annotated[str, Path(pattern=r"^([0-9a-f]{2}){1,1023}$")], here: Here, asker: Asker
) -> None:
    """Take a passkey away; needs a session that showed a factor."""
    remove_own_passkey(here.pool, asker, bytes.fromhex(passkey), utc_now())


@router.post(
    "/recovery-codes", operation_id="renewRecoveryCodes", dependencies=[in_person], responses=ACT_FAULTS
)
def post_recovery_codes(here: Here, asker: Asker) -> RecoveryView:
    """Ten new ones in place of those left."""
    return RecoveryView(recovery_codes=renew_recovery_codes(here.pool, asker, utc_now()))
