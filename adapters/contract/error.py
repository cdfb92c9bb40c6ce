"""Errors of the wire: each crosses as its code and comes back as the same class."""

from __future__ import annotations


class WireError(Exception):
    """A message cannot be taken as it stands."""

    code = "wire"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class MalformedFrame(WireError):
    """The fixed header cannot be read: too short, wrong magic, impossible lengths."""

    code = "malformed_frame"


class UnknownVersion(WireError):
    """The header is readable but the version is not one this program speaks: hold the lane."""

    code = "unknown_version"


class BadSignature(WireError):
    """The MAC does not match: the sender is not proved, nothing may be believed."""

    code = "bad_signature"


class MalformedPayload(WireError):
    """Header and MAC are good, but the payload does not decode."""

    code = "malformed_payload"


class MalformedItem(WireError):
    """One item of a good message does not decode or breaks a limit: quarantine it alone."""

    code = "malformed_item"
