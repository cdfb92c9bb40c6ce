"""Where a webhook may go, what it says, and what follows from the answer."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from hub.notify.address import AddressRefused, is_allowed, is_public, resolve
from hub.notify.channels.webhook import Webhook, sign, write_body
from hub.notify.outcome import DELIVERED, PARK_AFTER, PROBE_DELAY, Outcome, Result, Verdict, judge, waits_until
from hub.settings import HubSettings, WebhookSettings, check_hub
from hub.store.reader import ReaderState

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILED = Outcome(Result.FAILED, "away")
REFUSED = Outcome(Result.REFUSED, "answered 422")
START = ReaderState("webhook:x", "demo", 7)
ROW: dict[str, Any] = {
    "site": "demo",
    "seq": 8,
    "at": NOW,
    "actor": "system:worker",
    "subject": "alarm:1",
    "kind": "alarm.raised",
    "body": {"alarm": 1, "zone": "三楼"},
    "hash": bytes(range(32)),
}


def hook(**changes: Any) -> WebhookSettings:
    document = {"name": "x", "url": "https://example.org/a", "secret": "0123456789abcdef", **changes}
    return WebhookSettings.model_validate(document)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *(
            "100.64.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::1",
        ),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::"),
    ],
)
def test_what_is_not_the_open_internet_is_refused(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    assert not is_allowed(ipaddress.ip_address(address), allow_private=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "203.119.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_the_open_internet_is_allowed(address: str) -> None:
    assert is_allowed(ipaddress.ip_address(address), allow_private=False)


def test_a_network_of_ones_own_is_allowed_by_name_and_metadata_never() -> None:
    for address in ("127.0.0.1", "10.1.2.3", "192.168.1.1", "::1", "fd00::1"):
        assert is_allowed(ipaddress.ip_address(address), allow_private=True)
    for address in ("169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1"):
        assert not is_allowed(ipaddress.ip_address(address), allow_private=True)


def test_a_name_that_leads_inside_too_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*addresses: str) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_more: found)

    answer("1.1.1.1")
    assert resolve("school.example", 443, allow_private=False) == "1.1.1.1"
    answer("1.1.1.1", "127.0.0.1")
    with pytest.raises(AddressRefused, match=r"127\.0\.0\.1.*allow_private: true"):
        resolve("school.example", 443, allow_private=False)
    # A name that changes its mind between judging and connecting: the connection goes to what was judged.
    answer("127.0.0.1")
    outcome = Webhook(hook()).deliver(ROW, NOW)
    assert outcome.result is Result.FAILED
    assert "127.0.0.1" in outcome.reason


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://example.org/"}, "plain http"),
        ({"url": "ftp://example.org/"}, "is no address"),
        ({"url": "https://user:pass@example.org/"}, "holds a user"),
        ({"url": "https://example.org:99999/"}, "ort"),
        ({"secret": "short"}, "at least 16"),
        ({"kinds": ["alarm.*", "*"]}, "kinds"),
        ({"name": "A hook"}, "name"),
    ],
)
def test_a_faulty_hook_is_refused_with_its_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        hook(**changes)


def test_secrets_stay_out_of_what_is_printed() -> None:
    assert "0123456789abcdef" not in repr(hook())
    with pytest.raises(ValidationError, match="stands twice"):
        HubSettings.model_validate(
            {
                "database": "postgresql://x/y",
                "broker": {"host": "127.0.0.1"},
                "sites": ["s"],
                **dict.fromkeys(("profiles", "rules", "plans"), "."),
                "webhooks": [{"name": "x", "url": "https://a.org/", "secret": "0" * 16}] * 2,
            }
        )


def test_the_signature_covers_time_and_body() -> None:
    body = write_body(ROW)
    value = sign("0123456789abcdef", body, NOW)
    at, mac = (part.partition("=")[2] for part in value.split(","))
    assert int(at) == NOW.timestamp()
    assert mac == hmac.new(b"0123456789abcdef", f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    assert sign("0123456789abcdef", body, NOW + timedelta(seconds=1)) != value


def test_a_hook_takes_its_kinds_and_sites_and_never_its_own_trouble() -> None:
    assert Webhook(hook()).wants(ROW)
    assert not Webhook(hook(sites=["other"])).wants(ROW)
    assert not Webhook(hook(kinds=["hazard.*"])).wants(ROW)
    assert Webhook(hook(kinds=["alarm.raised"])).wants(ROW)
    assert not Webhook(hook(kinds=["alarm.closed"])).wants(ROW)
    trouble = {
        **ROW,
        "kind": "hazard.reported",
        "body": {"subject": "webhook:x", "condition": "notify.undelivered"},
    }
    assert not Webhook(hook()).wants(trouble)
    assert Webhook(hook(name="y")).wants(trouble)


def test_delays_double_up_to_five_minutes_and_success_forgets_them() -> None:
    state, delays = START, []
    for _ in range(12):
        verdict, state = judge(state, 8, FAILED, NOW)
        assert verdict is Verdict.WAIT
        assert state.seq == 7
        assert state.next_at is not None
        delays.append((state.next_at - NOW).total_seconds())
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert judge(state, 8, DELIVERED, NOW) == (Verdict.GO_ON, replace(START, seq=8))


def test_a_day_without_success_parks_it_once_and_it_goes_on_probing() -> None:
    _, state = judge(START, 8, FAILED, NOW)
    verdict, parked = judge(state, 8, FAILED, NOW + PARK_AFTER)
    assert (verdict, parked.parked_at, parked.seq) == (Verdict.PARK, NOW + PARK_AFTER, 7)
    assert parked.next_at == NOW + PARK_AFTER + PROBE_DELAY
    verdict, parked = judge(parked, 8, FAILED, NOW + 2 * PARK_AFTER)
    assert (verdict, parked.parked_at) == (Verdict.WAIT, NOW + PARK_AFTER)
    assert judge(parked, 8, DELIVERED, NOW)[0] is Verdict.GO_ON


def test_a_row_that_is_refused_thrice_is_passed_over_and_silence_is_no_refusal() -> None:
    state = START
    for _ in range(5):
        _, state = judge(state, 8, FAILED, NOW)
    for _ in range(2):
        verdict, state = judge(state, 8, REFUSED, NOW)
        assert verdict is Verdict.WAIT
    verdict, state = judge(state, 8, REFUSED, NOW)
    assert (verdict, state) == (Verdict.PASS_OVER, replace(START, seq=8))


def test_nobody_waits_for_hours_because_the_clock_was_set_back() -> None:
    _, failed = judge(START, 8, FAILED, NOW)
    assert failed.next_at is not None
    assert waits_until(failed, NOW) == failed.next_at
    assert waits_until(failed, failed.next_at) is None
    assert waits_until(failed, NOW - timedelta(hours=8)) is None
    _, parked = judge(failed, 8, FAILED, NOW + PARK_AFTER)
    assert waits_until(parked, NOW + PARK_AFTER) == NOW + PARK_AFTER + PROBE_DELAY
    assert waits_until(parked, NOW) is None


@pytest.mark.parametrize("changes", [{"secret": "hunter2"}, {"url": "http://example.org/"}])
def test_a_fault_of_the_file_does_not_show_the_secret(tmp_path: Path, changes: dict[str, str]) -> None:
    written = {"name": "x", "url": "https://example.org/", "secret": "hunter2 hunter2 hunter2", **changes}
    document = {
        "database": "postgresql://x/y",
        "broker": {"host": "127.0.0.1"},
        "sites": ["s"],
        **dict.fromkeys(("profiles", "rules", "plans"), "."),
        "webhooks": [written],
    }
    faults = check_hub(document, tmp_path / "hub.yaml")
    assert any("webhooks[0]" in line for line in faults)
    assert "hunter2" not in "\n".join(faults)
