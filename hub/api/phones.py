"""Guards' phones over HTTP: invited with a QR code, listed, revoked; and how a phone enrols itself."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from hub.accounts.desk import Place
from hub.accounts.phone import PHONE_LASTS, enter_phone, invite_phone, phones_at, withdraw_phone
from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.drawing import QrView, draw_qr
from hub.api.fault import ACT_FAULTS
from hub.api.guard import Asker, AtSite, address_of, everybody, may, party_of, set_cookie
from hub.api.session import SessionView, session_view
from hub.api.views import Moment, View
from hub.clock import utc_now
from hub.store.database import Row

router = APIRouter(prefix="/api/v1", tags=["phones"])


class PhoneItem(View):
    """`state`: invited (the code works), expired (it was not used in time), active, ended (logged out, or
    unused for 30 days: enrol it anew), revoked.
    """

    phone: str
    name: str
    account: str
    display_name: str
    state: Literal["invited", "expired", "active", "ended", "revoked"]
    invited_by: str
    invited_at: Moment
    enrolled_at: Moment | None
    used_at: Moment | None
    expires_at: Moment | None
    revoked_at: Moment | None
    revoked_by: str | None


class PhoneList(View):
    phones: list[PhoneItem]


class PhoneInvitationView(View):
    """Shown once, good once, for ten minutes. `url` is what the QR code says: the phone opens it, and its page
    sends what stands behind the `#` to `/phone/enrol`.
    """

    phone: str
    code: str
    url: str
    qr: QrView
    expires_at: Moment


class PhoneBody(Body):
    account: Annotated[Line, Field(min_length=1)]
    name: Annotated[Line, Field(min_length=1)]


class PhoneCodeBody(Body):
    code: Annotated[Line, Field(min_length=1)]


@router.get(
    "/sites/{site}/phones", operation_id="listPhones", dependencies=[may("phone.enrol")], responses=ACT_FAULTS
)
def get_phones(here: Here, words: AtSite) -> PhoneList:
    """The site's phones, the newest first."""
    now = utc_now()
    return PhoneList(phones=[_item(row, now) for row in phones_at(here.pool, words.site, now)])


@router.post(
    "/sites/{site}/phones",
    operation_id="invitePhone",
    dependencies=[may("phone.enrol")],
    status_code=201,
    responses=ACT_FAULTS,
)
def post_phone(
    body: PhoneBody, request: Request, here: Here, words: AtSite, asker: Asker
) -> PhoneInvitationView:
    """A code for the phone of an account that is a guard here."""
    made = invite_phone(here.pool, asker, words.site, body.account, body.name, utc_now())
    http = here.settings.http
    url = f"{http.url if http.name else party_of(request).origin}/phone#{made.code}"
    return PhoneInvitationView(
        phone=made.phone, code=made.code, url=url, qr=draw_qr(url), expires_at=made.expires_at
    )


@router.post(
    "/sites/{site}/phones/{phone}/revoke",
    operation_id="revokePhone",
    dependencies=[may("phone.enrol")],
    status_code=204,
    responses=ACT_FAULTS,
)
def post_phone_revocation(
    phone: Annotated[str, Path(min_length=1, max_length=63)], here: Here, words: AtSite, asker: Asker
) -> None:
    """Take a phone back that was lost, or whose guard went; it is logged out at once."""
    withdraw_phone(here.pool, asker, words.site, phone, utc_now())


@router.post(
    "/phone/enrol",
    operation_id="enrolPhone",
    dependencies=[everybody("proves itself by the code that was shown")],
    responses=ACT_FAULTS,
)
def post_phone_enrol(body: PhoneCodeBody, request: Request, response: Response, here: Here) -> SessionView:
    """On the phone: exchange the code for its session, a year long, as a guard at that site alone."""
    opened = enter_phone(here.pool, body.code, Place(address_of(request), ""), utc_now())
    set_cookie(response, request, opened.token, PHONE_LASTS)
    return session_view(here, opened.row)


def _item(row: Row, now: datetime) -> PhoneItem:
    state: Literal["invited", "expired", "active", "ended", "revoked"]
    if row["revoked_at"] is not None:
        state = "revoked"
    elif row["enrolled_at"] is None:
        state = "invited" if row["code_expires_at"] > now else "expired"
    else:
        state = "active" if row["expires_at"] is not None else "ended"
    shown = {name: value for name, value in row.items() if name != "code_expires_at"}
    return PhoneItem(**shown, state=state)
