"""Where an edge exchanges its invitation for its identity. No session: the invitation's secret is the proof."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from hub.api.act import Body, Line
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS
from hub.api.views import View
from hub.clock import utc_now
from hub.sites.enrolment import EnrolmentRequest, enrol_edge

router = APIRouter(prefix="/api/v1", tags=["enrolment"])


class EnrolmentBody(Body):
    invite: Line
    site: Line
    edge: Line
    edge_nonce: Line
    proof: Annotated[Line, Field(pattern="^[0-9a-fA-F]{64}$")]


class BrokerView(View):
    host: str
    port: int


class EnrolmentAnswer(View):
    hub_nonce: str
    proof: str
    key_number: int
    broker: BrokerView


@router.post("/enrolment", operation_id="enrolEdge", responses=ACT_FAULTS)
def post_enrolment(body: EnrolmentBody, here: Here) -> EnrolmentAnswer:
    """Take an edge in, once per invitation."""
    enrolment = enrol_edge(here.pool, EnrolmentRequest(**body.model_dump()), utc_now())
    broker = here.settings.broker
    return EnrolmentAnswer(
        hub_nonce=enrolment.hub_nonce,
        proof=enrolment.proof,
        key_number=enrolment.key_number,
        broker=BrokerView(host=broker.host, port=broker.port),
    )
