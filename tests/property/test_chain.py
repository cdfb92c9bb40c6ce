"""The journal's chain: what PostgreSQL gives back hashes to the same, and no change goes unseen."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.domain.chain import GENESIS, BrokenChain, Chain, Link, Seal, canonical, hash_row
from hub.store.database import connect

SITE = "demo"
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
# What jsonb cannot hold at all (NUL, lone surrogates, NaN) is refused before it comes to a row.
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
LEAVES = st.none() | st.booleans() | st.integers(-(2**80), 2**80) | TEXTS
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
BODIES = st.dictionaries(
    TEXTS,
    st.recursive(
        LEAVES | FLOATS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    ),
    max_size=4,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(BODIES, min_size=1, max_size=20))
def test_a_body_comes_back_from_the_database_as_it_was_hashed(
    database: str, bodies: list[dict[str, Any]]
) -> None:
    with connect(database, application="test") as connection:
        for body in bodies:
            text = canonical(body)
            row = connection.execute("SELECT %s::jsonb", (text,)).fetchone()
            assert row is not None
            assert canonical(row[0]) == text
            assert canonical(json.loads(text)) == text, "and from a file"


def make_chain(bodies: list[dict[str, Any]]) -> list[Link]:
    links, before = [], GENESIS
    for seq, body in enumerate(bodies, start=1):
        at = START + timedelta(seconds=seq)
        before = hash_row(before, SITE, seq, at, "a-1", f"alarm:{seq}", "alarm.raised", canonical(body))
        links.append(Link(seq, at, "a-1", f"alarm:{seq}", "alarm.raised", body, before))
    return links


def check(links: list[Link], seal: Seal, begin: Seal | None = None) -> None:
    chain = Chain(SITE, begin)
    for link in links:
        chain.follow(link)
    chain.close(seal)


def change(link: Link, what: str) -> Link:
    said = {name: getattr(link, name) for name in ("seq", "at", "actor", "subject", "kind", "body", "hash")}
    said[what] = {
        "seq": link.seq + 1,
        "at": link.at + timedelta(microseconds=1),
        "actor": link.actor + "x",
        "subject": "alarm:0",
        "kind": "alarm.reset",
        "body": {**link.body, "more": 1},
        "hash": bytes(32),
    }[what]
    return Link(**said)


@settings(deadline=None)
@given(data=st.data())
def test_every_tampering_is_found(data: st.DataObject) -> None:
    links = make_chain(data.draw(st.lists(BODIES, min_size=3, max_size=8)))
    seal = Seal(SITE, len(links), START, links[-1].hash)
    check(links, seal)
    pruned = data.draw(st.integers(0, len(links) - 1))
    anchor = Seal(SITE, pruned, START, links[pruned - 1].hash) if pruned else None
    check(links[pruned:], seal, anchor)

    place = data.draw(st.integers(0, len(links) - 1))
    how = data.draw(st.sampled_from(["change", "take out", "double", "swap", "cut the end", "forge the end"]))
    forged = list(links)
    if how == "change":
        what = data.draw(st.sampled_from(["seq", "at", "actor", "subject", "kind", "body", "hash"]))
        forged[place] = change(links[place], what)
    elif how == "take out":
        del forged[place]
    elif how == "double":
        forged.insert(place, links[place])
    elif how == "swap":
        other = (place + 1) % len(links)
        forged[place], forged[other] = links[other], links[place]
    elif how == "cut the end":
        del forged[-1]
    else:
        # All hashes made anew from a changed row on: only the sealed end tells.
        forged = [
            *links[:place],
            *make_chain([*(link.body for link in links[:place]), {"forged": True}])[place:],
        ]
    with pytest.raises(BrokenChain):
        check(forged, seal)
