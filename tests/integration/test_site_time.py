"""Rules' timers go by the site's recorded time, which is ahead of a clock that was set back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hub.clock import steady_s
from hub.domain.judgement import Input, TickInput, Verdict
from hub.intake.warden import Warden
from hub.rules.engine import Engine
from tests.intake_scene import SITE, furnish
from tests.integration.test_intake import Hub

AHEAD = timedelta(hours=8)


class Waiting(Engine):
    """The rules, with one timer more."""

    timer: datetime | None = None

    def next_timer(self) -> datetime | None:
        return self.timer

    def judge(self, position: int, inputs: Sequence[Input]) -> list[Verdict]:
        for each in inputs:
            if isinstance(each, TickInput) and self.timer is not None and each.at >= self.timer:
                self.timer = None
        return super().judge(position, inputs)


def test_a_timer_set_while_ahead_comes_in_the_sites_own_time(database: str) -> None:
    furnish(database)
    hub = Hub(database, Waiting)
    now, now_s = datetime.now(UTC), steady_s()
    nobody: Any = None  # it publishes nothing here
    warden = Warden(nobody, lambda: 0.0, now, now_s)
    warden.welcome(hub.clerk, SITE, now, now_s, 0.0)
    warden.beat(hub.clerk, now, now_s, {})
    held = hub.clerk.sites[SITE]
    judge = held.judge
    assert isinstance(judge, Waiting)

    held.recorded_at = now + AHEAD
    judge.timer = now + AHEAD + timedelta(minutes=1)
    warden.tick(hub.clerk, now, now_s)
    assert judge.timer is not None, "not before its time"
    judge.timer = now + AHEAD
    warden.tick(hub.clerk, now, now_s)
    assert judge.timer is None, "it would wait for the clock to catch up, for hours"
    hub.connection.close()
