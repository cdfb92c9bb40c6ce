"""The hub's error tree. Two questions are answered on the class: try again? which HTTP status?"""

from __future__ import annotations


class HubError(Exception):
    """Something the hub cannot do, said so that a person can mend it."""

    retry = False
    status = 500
    code = "hub_error"


class ConfigurationError(HubError):
    """The configuration has faults; all of them are listed, one a line."""

    code = "configuration"

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class NotFound(HubError):
    """There is no such thing (or it is not yours to see)."""

    status = 404
    code = "not_found"


class ActRefused(HubError):
    """The act does not fit the state of the thing; the message says why."""

    status = 409
    code = "act_refused"


class Moved(ActRefused):
    """The thing changed since the person saw it; look again."""

    code = "moved"


class InvalidAct(HubError):
    """The act is not well formed; the message names the field and the cure."""

    status = 422
    code = "invalid_act"


class StoreUnavailable(HubError):
    """The database cannot be reached or did not commit; nothing was changed, try again."""

    retry = True
    status = 503
    code = "store_unavailable"


class DataRefused(HubError):
    """The database refused what was given to it as wrong data: poison, not an outage."""

    status = 422
    code = "data_refused"
