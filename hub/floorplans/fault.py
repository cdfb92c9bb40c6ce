"""Why a file became no floor plan."""

from __future__ import annotations

from hub.domain.error import HubError


class Unreadable(HubError):
    """The file is no picture that we take; the message says what is wrong with it and the cure."""

    status = 422
    code = "floorplan_unreadable"


class WorkshopBusy(HubError):
    """As many files are being drawn as the machine can bear; nothing was changed."""

    status = 503
    code = "floorplan_busy"
