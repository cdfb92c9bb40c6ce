"""Errors of the edge. Two questions: may the same thing work later, and what is told to the person?"""

from __future__ import annotations


class EdgeError(Exception):
    """The edge cannot do what was asked."""

    retry = False


class ConfigurationError(EdgeError):
    """The configuration has faults; nothing starts. `faults` is one line each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class SettingsRefused(EdgeError):
    """The hub's settings cannot be applied as a whole, so nothing of them is."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class EnrolmentError(EdgeError):
    """The hub did not take this edge in, or could not prove that it is the hub of the invitation."""


class CredentialError(EdgeError):
    """The edge's certificate cannot be used, or was not renewed."""

    retry = True


class SpoolError(EdgeError):
    """The spool file cannot be used."""

    retry = True
