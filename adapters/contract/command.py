"""What edge and hub must agree on about commands: the id of one that a rule asks for."""

from __future__ import annotations

import hashlib


def derive_command(source: str, version: int, evidence: str, device: str, address: str, kind: str) -> str:
    """A command's id, the same whenever the same rule judges the same evidence again, here or at the edge.

    `source`: `rule:<name>`, `plan:<name>` or `person:<account>`; `evidence`: the id of the event that
    brought it about.
    """
    text = "\x1f".join((source, str(version), evidence, device, address, kind))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
