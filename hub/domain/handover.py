"""Handing a post over at a shift change: what is on the list, who signs, who takes it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from hub.domain.machine import Nature, apply, build


class HandoverState(StrEnum):
    SIGNED = "signed"
    """By who goes; nobody has taken it yet."""
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class HandoverAction(StrEnum):
    ACKNOWLEDGE = "acknowledge"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


_ONE = (Nature.PLAIN,)
HANDOVER_TABLE: Final = build(
    [
        ((HandoverState.SIGNED,), HandoverAction.ACKNOWLEDGE, HandoverState.ACKNOWLEDGED, _ONE),
        ((HandoverState.SIGNED,), HandoverAction.REFUSE, HandoverState.REFUSED, _ONE),
        ((HandoverState.SIGNED,), HandoverAction.WITHDRAW, HandoverState.WITHDRAWN, _ONE),
    ]
)


@dataclass(frozen=True, slots=True)
class Handover:
    """One row of `handover`. `list` holds numbers and ids, no names; `digest` is of it."""

    site: str
    handover: int
    post: str
    state: HandoverState
    list: Mapping[str, Any]
    digest: str
    note: str
    from_account: str
    from_person: str | None
    to_person: str | None
    to_account: str | None
    signed_at: datetime
    ended_at: datetime | None = None
    reason: str = ""


def next_handover_state(state: HandoverState, action: HandoverAction) -> HandoverState:
    """The state after the action; raises IllegalTransition."""
    return apply(HANDOVER_TABLE, state, action)


def digest_list(listed: Mapping[str, Any]) -> str:
    """SHA-256, in hex, of the list as JSON with sorted keys and no spaces: what both sides sign."""
    text = json.dumps(listed, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
