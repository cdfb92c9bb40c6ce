"""Where an edge exchanges its invitation for its identity, and gets its next certificate.

No session: the invitation's secret is the proof, afterwards the edge's own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Response
from msgspec.structs import asdict
from pydantic import Field

from adapters.contract.enrolment import CA_PATH, ENROL_PATH, RENEW_PATH, REQUEST_BYTES, Ask, RenewalAsk
from hub.api.act import Body, Line
from hub.api.context import Context, Here
from hub.api.fault import ACT_FAULTS
from hub.api.guard import everybody
from hub.api.views import View
from hub.clock import utc_now
from hub.domain.error import ConfigurationError, HubError, NotFound
from hub.settings import PASSPHRASE
from hub.sites.enrolment import Desk, enrol_edge, open_desk, renew_certificate

router = APIRouter(tags=["enrolment"])
_log = logging.getLogger(__name__)
_Proof = Annotated[str, Field(pattern="^[0-9a-fA-F]{64}$")]
_Request = Annotated[str, Field(max_length=REQUEST_BYTES)]


class CannotSign(HubError):
    """The authority's files are not as they should be; the hub's log says how."""

    retry = True
    status = 503
    code = "cannot_sign"


class EnrolmentBody(Body):
    invite: Line
    site: Line
    edge: Line
    edge_nonce: Line
    request: _Request
    proof: _Proof


class EnrolmentAnswer(View):
    hub_nonce: str
    key_number: int
    broker_host: str
    broker_port: int
    certificate: str
    ca: str
    proof: str


class RenewalBody(Body):
    site: Line
    edge: Line
    nonce: Line
    request: _Request
    proof: _Proof


class RenewalAnswer(View):
    certificate: str
    ca: str
    proof: str


@router.get(
    CA_PATH,
    operation_id="getAuthority",
    dependencies=[everybody("is public: believed by its fingerprint")],
    response_class=Response,
)
def get_authority(here: Here) -> Response:
    """The authority's certificate in PEM: public, and to be believed only by its fingerprint."""
    with _desk(here) as desk:
        if not desk.ca:
            raise NotFound("this hub has no certificate authority")
        return Response(desk.ca, media_type="application/x-pem-file")


@router.post(
    ENROL_PATH,
    operation_id="enrolEdge",
    dependencies=[everybody("proves itself by the invitation")],
    responses=ACT_FAULTS,
)
def post_enrolment(body: EnrolmentBody, here: Here) -> EnrolmentAnswer:
    """Take an edge in, once per invitation."""
    with _desk(here) as desk:
        return EnrolmentAnswer(**asdict(enrol_edge(here.pool, desk, Ask(**body.model_dump()), utc_now())))


@router.post(
    RENEW_PATH,
    operation_id="renewCertificate",
    dependencies=[everybody("proves itself by the edge's key")],
    responses=ACT_FAULTS,
)
def post_renewal(body: RenewalBody, here: Here) -> RenewalAnswer:
    """Give an edge its next certificate; the same asking gets the same answer."""
    with _desk(here) as desk:
        ask = RenewalAsk(**body.model_dump())
        return RenewalAnswer(**asdict(renew_certificate(here.pool, desk, ask, utc_now())))


@contextmanager
def _desk(here: Context) -> Iterator[Desk]:
    """The desk; what is wrong with the authority's files is the hub's people's matter, not a stranger's."""
    try:
        yield open_desk(here.settings, os.environ.get(PASSPHRASE))
    except ConfigurationError as error:
        _log.error("the authority cannot sign: %s", error)
        raise CannotSign("the hub cannot sign certificates now; its log says why") from None
