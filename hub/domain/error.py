"""The hub's error tree. Two questions are answered on the class: try again? which HTTP status?"""

from __future__ import annotations


class HubError(Exception):
    """Something the hub cannot do, said so that a person can mend it."""

    retry = False
    status = 500
    code = "hub_error"
    told = ""
    """What people are told in place of the message, where that has the database's own words."""


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
    told = "the store is away; nothing was changed, try again"


class QueryTooSlow(StoreUnavailable):
    """The database is there, but a statement took longer than it may; nothing was changed. The same again
    takes as long again: ask for less.
    """

    code = "query_too_slow"
    told = "that took too long, and was broken off; ask for a shorter span, fewer series or a larger bucket"


class StoreBusy(StoreUnavailable):
    """The database is there, but others held for too long what this needs; nothing was changed, try again."""

    code = "store_busy"
    told = "others are writing just now; nothing was changed, try again"


class DataRefused(HubError):
    """The database refused what was given to it as wrong data: poison, not an outage."""

    status = 422
    code = "data_refused"
