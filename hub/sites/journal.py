"""A site's journal as a file that can be checked anywhere: one JSON document a line.

    {"journal": "sanfang", "version": 1, "site": …, "begin": a seal or null}
    {"seq": …, "at": …, "actor": …, "subject": …, "kind": …, "body": {…}, "hash": hex}      for each row
    {"end": a seal}

`begin` is the seal that pruning left; `end` is made when the file is. A file without `end` is not whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from hub.domain.chain import GENESIS, BrokenChain, Chain, Link, Seal
from hub.sites.seal import Sealer, is_signed
from hub.store.anchor import find_anchor, page_journal
from hub.store.database import Connection

VERSION: Final = 1
_PAGE: Final = 1_000


@dataclass(slots=True)
class Finding:
    """What a check found. `faults` is empty where all of it holds; `notes` are no faults but worth knowing."""

    site: str = ""
    rows: int = 0
    first: tuple[int, datetime] | None = None
    last: tuple[int, datetime] | None = None
    begin: Seal | None = None
    end: Seal | None = None
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def signers(self) -> set[str]:
        """The public keys of its seals."""
        return {seal.signer for seal in (self.begin, self.end) if seal is not None and seal.signer}


def write_journal(connection: Connection, site: str, sealer: Sealer, at: datetime) -> Iterator[str]:
    """The file's lines, in constant memory. Call it in `one_view`: what is pruned or added meanwhile is not
    seen. It writes what is there, broken or not: the check is `check_journal`'s.
    """
    begin = find_anchor(connection, site)
    yield _line({"journal": "sanfang", "version": VERSION, "site": site, "begin": _of_seal(begin)})
    seq, last = (begin.seq, begin.hash) if begin else (0, GENESIS)
    while rows := page_journal(connection, site, after=seq, limit=_PAGE):
        for row in rows:
            seq, last = row["seq"], bytes(row["hash"])
            yield _line(
                {
                    "seq": seq,
                    "at": _of_time(row["at"]),
                    **{name: row[name] for name in ("actor", "subject", "kind", "body")},
                    "hash": last.hex(),
                }
            )
    yield _line({"end": _of_seal(sealer.seal(site, seq, last, at))})


def check_journal(lines: Iterable[str]) -> Finding:
    """Check a file: its form, the chain, both seals. Never raises for what the file says."""
    found, chain = Finding(), None
    for number, line in enumerate(lines, start=1):
        try:
            said = json.loads(line)
            if number == 1:
                chain = _open(said, found)
            elif chain is None or found.end is not None:
                raise ValueError("stands behind the end")
            elif "end" in said:
                found.end = _to_seal(said["end"])
                chain.close(found.end)
            else:
                row = _to_row(said)
                chain.follow(row)
                found.rows += 1
                found.last = (row.seq, row.at)
                found.first = found.first or found.last
        except BrokenChain as broken:
            found.faults.append(f"line {number}: {broken}")
            return found
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            found.faults.append(
                f"line {number}: is not as an export writes it ({type(error).__name__}: {error})"
            )
            return found
    if found.end is None:
        found.faults.append("the end is missing: the file is not whole")
    elif not is_signed(found.end):
        found.faults.append("the seal at the end is not signed by the key that it names")
    if found.begin is not None and found.begin.signature and not is_signed(found.begin):
        found.faults.append("the seal at the beginning is not signed by the key that it names")
    if found.begin is not None and not found.begin.signature:
        found.notes.append("the seal at the beginning is not signed: pruned before the hub had its key")
    if len(found.signers) > 1:
        found.notes.append("beginning and end were sealed with different keys; compare both fingerprints")
    return found


def _open(said: dict[str, Any], found: Finding) -> Chain:
    if said["journal"] != "sanfang" or said["version"] != VERSION:
        raise ValueError(f"version {said['version']}; this program reads version {VERSION}")
    found.site = str(said["site"])
    found.begin = None if said["begin"] is None else _to_seal(said["begin"])
    if found.begin is not None and found.begin.site != found.site:
        raise ValueError(f"the beginning is sealed for {found.begin.site}")
    return Chain(found.site, found.begin)


def _to_row(said: dict[str, Any]) -> Link:
    return Link(
        seq=int(said["seq"]),
        at=_to_time(said["at"]),
        actor=said["actor"],
        subject=said["subject"],
        kind=said["kind"],
        body=said["body"],
        hash=bytes.fromhex(said["hash"]),
    )


def _of_seal(seal: Seal | None) -> dict[str, Any] | None:
    if seal is None:
        return None
    said = {"site": seal.site, "seq": seal.seq, "at": _of_time(seal.at), "hash": seal.hash.hex()}
    return {**said, "signer": seal.signer, "signature": seal.signature}


def _to_seal(said: dict[str, Any]) -> Seal:
    return Seal(
        str(said["site"]),
        int(said["seq"]),
        _to_time(said["at"]),
        bytes.fromhex(said["hash"]),
        str(said["signer"]),
        str(said["signature"]),
    )


def _of_time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _to_time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} names no time zone")
    return at


def _line(said: dict[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")) + "\n"
