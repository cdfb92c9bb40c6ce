"""Waiting after failed log-ins: grows, ends, is forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.accounts.backoff import ACCOUNT, ADDRESS, Failures, wait_s
from hub.accounts.password import check_password, hash_password, verify_password

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_the_delay_doubles_up_to_its_limit() -> None:
    delays = [ACCOUNT.delay_s(number) for number in range(12)]
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert ADDRESS.delay_s(10**6) == 600


@pytest.mark.parametrize(
    ("key", "failures", "ago_s", "wait"),
    [
        ("account:a", 3, 0, 0),
        ("account:a", 6, 0, 4),
        ("account:a", 6, 3, 1),
        ("account:a", 6, 4, 0),
        ("account:a", 99, 3601, 0),
        ("address:1", 12, 0, 1),
        ("browser:a:0f", 99, 0, 30),
        ("factor:a", 4, 0, 0),
        ("factor:a", 99, 0, 300),
        ("factor:browser:a:0f", 99, 0, 300),
    ],
)
def test_waiting(key: str, failures: int, ago_s: float, wait: float) -> None:
    known = {key: Failures(failures, NOW - timedelta(seconds=ago_s))}
    assert wait_s(known, NOW) == wait


def test_the_longest_of_several_counts_and_none_is_none() -> None:
    known = {"account:a": Failures(5, NOW), "address:1": Failures(14, NOW)}
    assert wait_s(known, NOW) == 4
    assert wait_s({}, NOW) == 0


def test_passwords_fit_or_do_not_and_nobody_never_does() -> None:
    kept = hash_password("a long enough sentence")
    assert kept.startswith("$argon2")
    assert verify_password("a long enough sentence", kept) == (True, None)
    assert verify_password("another sentence", kept)[0] is False
    assert verify_password("the password of nobody", None) == (False, None)


@pytest.mark.parametrize("password", ["short", "abababababab", "my-name-is-admin"])
def test_weak_passwords_say_the_cure(password: str) -> None:
    assert ";" in str(check_password(password, "admin"))
    assert check_password("three words together", "admin") is None
