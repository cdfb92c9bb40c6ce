"""A stream: in order, bounded, and a slow screen begins anew; the console's files and their addresses."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hub.api.audience import TRUSTED_WITHOUT_STORE_S, Audience
from hub.api.console import find_file
from hub.api.door import is_own_origin
from hub.api.health import write_metric
from hub.api.stream import QUEUE_LIMIT, Subscriber, Told, write_event
from hub.api.views import Text
from hub.settings import HttpSettings, check_http, is_loopback


def test_events_come_in_order_and_at_once() -> None:
    async def scenario() -> None:
        subscriber = Subscriber("demo", b"s")
        subscriber.push(1, b"a")
        subscriber.push(2, b"b")
        assert await subscriber.take() == (False, [Told(1, b"a", False), Told(2, b"b", False)])
        waiting = asyncio.create_task(subscriber.take())
        await asyncio.sleep(0)
        subscriber.push(3, b"c")
        assert await waiting == (False, [Told(3, b"c", False)])

    asyncio.run(scenario())


def test_a_slow_screen_loses_all_and_is_told() -> None:
    async def scenario() -> None:
        subscriber = Subscriber("demo", b"s")
        for number in range(QUEUE_LIMIT + 5):
            subscriber.push(number + 1, b"x")
        lost, events = await subscriber.take()
        assert lost
        assert [told.seq for told in events] == [QUEUE_LIMIT + number + 1 for number in range(5)]
        assert subscriber.overflowed == 1
        subscriber.push(9, b"y")
        assert await subscriber.take() == (False, [Told(9, b"y", False)])

    asyncio.run(scenario())


def test_only_the_site_s_own_screens_hear() -> None:
    async def scenario() -> None:
        audience = Audience()
        audience.open()
        here, there = audience.subscribe("a", b"1"), audience.subscribe("b", b"2")
        audience.publish("a", 1, b"x")
        there.close()
        assert (await here.take())[1] == [Told(1, b"x", False)]
        assert (await there.take())[1] == []

    asyncio.run(scenario())


def test_streams_are_trusted_for_a_while_and_no_longer() -> None:
    async def scenario() -> None:
        audience = Audience()
        audience.open()
        kept, ended = audience.subscribe("a", b"kept"), audience.subscribe("a", b"ended")
        begun = next(iter(audience._sessions.values()))
        audience.confirm_sessions({b"kept", b"ended"}, {b"kept": frozenset({"a"})}, begun + 60)
        assert (kept.closed, ended.closed) == (False, True)
        audience.unsubscribe(ended)
        assert audience.session_hashes() == {b"kept"}
        audience.end_distrusted(begun + 60 + TRUSTED_WITHOUT_STORE_S)
        assert not kept.closed
        audience.end_distrusted(begun + 61 + TRUSTED_WITHOUT_STORE_S)
        assert kept.closed

    asyncio.run(scenario())


def test_a_stream_that_is_opened_while_the_process_ends_is_closed() -> None:
    async def scenario() -> None:
        audience = Audience()
        audience.close()
        assert audience.subscribe("a", b"1").closed

    asyncio.run(scenario())


def test_an_event_is_one_line_of_data_whatever_is_in_it() -> None:
    event = write_event("change", Text(zh="a\nevent: fake\r\n\u2028", en="b"), "demo:1").decode()
    assert event.startswith("id: demo:1\nevent: change\ndata: {")
    assert event.endswith("}\n\n")
    assert event.count("\n") == 4
    assert "\r" not in event


@pytest.mark.parametrize(
    "path", ["../secret", "..%2fsecret", "/etc/passwd", "assets/../../secret", "assets", "", "nothing.js"]
)
def test_nothing_outside_the_console_is_served(tmp_path: Path, path: str) -> None:
    dist = tmp_path / "dist"
    (dist / "assets").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (dist / "link").symlink_to(tmp_path / "secret")
    (dist / "assets" / "app.js").write_text("x")
    assert find_file(dist, path) is None
    assert find_file(dist, "link") is None
    assert find_file(dist, "assets/app.js") == dist / "assets" / "app.js"


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("http://127.0.0.1:8080", True),
        ("HTTP://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080", False),
        ("http://127.0.0.1", False),
        ("http://127.0.0.1:8080.evil.example", False),
        ("http://evil.example/127.0.0.1:8080", False),
        ("null", False),
        ("", False),
    ],
)
def test_origins(origin: str, own: bool) -> None:
    assert is_own_origin(origin, "http", "127.0.0.1:8080") is own


def test_plain_http_stays_on_this_machine() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        assert check_http(HttpSettings(host=host)) == []
    for host in ("0.0.0.0", "::", "192.168.1.4", "hub.example", "localhost.evil.example"):
        assert check_http(HttpSettings(host=host)), host
    assert not is_loopback("")


def test_metrics_are_prometheus_text() -> None:
    text = "".join(write_metric("a_total", "counter", "Help.", {"": 3.0, 'x="y"': 0.5}))
    assert text == '# HELP a_total Help.\n# TYPE a_total counter\na_total 3.0\na_total{x="y"} 0.5\n'
