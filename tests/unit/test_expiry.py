"""Certificates of the hub that nobody renewed: told in time, as one condition, also where a file is gone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.clock import utc_now
from hub.intake.expiry import Expiry, judge_expiry
from hub.sites.authority import init_authority
from hub.tls import days_left

NOW = utc_now()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    authority, _ = init_authority(tmp_path / "ca", "Test CA", None, NOW)
    return authority.issue_server("https", ["127.0.0.1"], 90, NOW)


def test_a_certificate_is_told_of_two_weeks_before_its_end(file: Path) -> None:
    for days, wanted in ((0, False), (75, False), (77, True), (120, True)):
        (notice,) = Expiry({"https": file}).notices(NOW + timedelta(days=days), 0.0)
        assert (notice.kind, notice.active) == ("certificate.expiring", wanted), days


def test_a_file_that_is_gone_counts_as_run_out(file: Path, tmp_path: Path) -> None:
    days = days_left(
        {"https": file, "hub": tmp_path / "none.pem", "broker": tmp_path / "ca" / "ledger.json"}, NOW
    )
    assert days["https"] == pytest.approx(90, abs=0.01) and days["hub"] == days["broker"] == 0
    notice = judge_expiry(days)
    assert notice.active and notice.attributes == {"certificates": "broker, hub", "days_left": 0}


def test_it_looks_now_and_then_and_sees_a_renewal(file: Path) -> None:
    expiry, late = Expiry({"https": file}), NOW + timedelta(days=80)
    assert expiry.notices(late, 0.0)[0].active is True
    init_authority(file.parents[1], "Test CA", None, NOW)[0].issue_server("https", ["127.0.0.1"], 90, late)
    assert expiry.notices(late, 599.0)[0].active is True
    assert expiry.notices(late, 600.0)[0].active is False


def test_without_tls_there_is_nothing_to_say() -> None:
    assert Expiry({}).notices(NOW, 0.0) == []
