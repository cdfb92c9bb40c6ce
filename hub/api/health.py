"""Is the process there, what is not ready, and figures for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Response

from hub.api.context import Context, Here
from hub.api.guard import everybody
from hub.api.views import View
from hub.clock import utc_now
from hub.tls import certificate_files, days_left

router = APIRouter(tags=["health"])
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Health(View):
    alive: bool


class Readiness(View):
    """`ages_s`: seconds since each part was last heard; null: never. `certificate_days`: how long the
    certificates of hub and broker are still good; empty where nothing speaks TLS.
    """

    ready: bool
    missing: list[str]
    ages_s: dict[str, float | None]
    certificate_days: dict[str, float]


@router.get("/healthz", operation_id="getHealth", dependencies=[everybody("says that the process is there")])
def get_health() -> Health:
    """The process answers."""
    return Health(alive=True)


@router.get(
    "/readyz",
    operation_id="getReadiness",
    dependencies=[everybody("says which part is missing")],
    responses={503: {"model": Readiness}},
)
async def get_readiness(here: Here, response: Response) -> Readiness:
    """What is missing: database, broker, worker, chores. 503 while anything is."""
    report = here.live.pulse.report(utc_now())
    response.status_code = 503 if report.missing else 200
    ages = {name: None if age is None else round(age, 3) for name, age in report.ages_s.items()}
    return Readiness(
        ready=not report.missing,
        missing=list(report.missing),
        ages_s=ages,
        certificate_days=_certificate_days(here),
    )


@router.get(
    "/metrics",
    operation_id="getMetrics",
    dependencies=[everybody("holds nothing about persons or alarms")],
    response_class=Response,
)
async def get_metrics(here: Here) -> Response:
    """Figures in Prometheus' text form; nothing about persons or alarms."""
    return Response("".join(_metrics(here)), media_type=_TEXT)


def _certificate_days(here: Context) -> dict[str, float]:
    days = days_left(certificate_files(here.settings), utc_now())
    return {name: round(left, 2) for name, left in days.items()}


def _metrics(here: Context) -> Iterable[str]:
    live, audience, heard = here.live, here.live.audience, here.live.unreceipted
    report = live.pulse.report(utc_now())
    yield from write_metric(
        "sanfang_ready",
        "gauge",
        "Whether each part was heard lately.",
        {f'part="{name}"': float(name not in report.missing) for name in report.ages_s},
    )
    yield from write_metric(
        "sanfang_heard_seconds",
        "gauge",
        "Seconds since each part was last heard.",
        {f'part="{name}"': age for name, age in report.ages_s.items() if age is not None},
    )
    yield from write_metric(
        "sanfang_certificate_days",
        "gauge",
        "Days for which each certificate is still good.",
        {f'name="{name}"': left for name, left in _certificate_days(here).items()},
    )
    yield from write_metric(
        "sanfang_http_requests_total",
        "counter",
        "Requests answered.",
        {
            f'method="{method}",status="{status}"': float(count)
            for (method, status), count in sorted(here.requests.items())
        },
    )
    for name, kind, text, value in (
        ("sanfang_live_streams", "gauge", "Screens connected.", len(audience)),
        (
            "sanfang_live_overflows_total",
            "counter",
            "Screens too slow for the stream.",
            audience.overflows,
        ),
        ("sanfang_live_changes_total", "counter", "Journal rows read for screens.", live.feed.changes_read),
        (
            "sanfang_live_skipped_total",
            "counter",
            "Journal rows in whose place screens got the picture.",
            live.feed.changes_skipped,
        ),
        ("sanfang_unreceipted", "gauge", "Alarm events heard without a receipt.", len(heard)),
        ("sanfang_unreceipted_dropped_total", "counter", "Such events without room.", heard.dropped),
        ("sanfang_unverified_total", "counter", "Messages without proof.", heard.unverified),
    ):
        yield from write_metric(name, kind, text, {"": float(value)})
    yield from write_metric(
        "sanfang_exports_total",
        "counter",
        "Exports by how they ended: whole, broken, gone (the client left).",
        {f'how="{how}"': float(count) for how, count in sorted(here.exports.ended.items())},
    )
    for process, part, name, kind, label, text in _TOLD:
        yield from write_metric(name, kind, text, _sum_told(live.feed.told, process, part, label))
    lags = sorted(live.feed.readers.items())
    yield from write_metric(
        "sanfang_journal_behind_rows",
        "gauge",
        "Journal rows that a reader has still to read, over all sites.",
        {f'reader="{name}"': float(behind) for name, (behind, _) in lags},
    )
    yield from write_metric(
        "sanfang_journal_behind_seconds",
        "gauge",
        "Age of the oldest of them.",
        {
            f'reader="{name}"': 0.0 if oldest_at is None else max(0.0, (utc_now() - oldest_at).total_seconds())
            for name, (_, oldest_at) in lags
        },
    )
    yield from write_metric(
        "sanfang_journal_seq",
        "gauge",
        "Newest journal row read.",
        {f'site="{site}"': float(each.seq) for site, each in live.feed.conditions.items()},
    )


# What the worker and the chores tell of themselves (their liveness rows), as process, part, metric.
_TOLD: Final = (
    (
        "worker",
        "counts",
        "sanfang_intake_total",
        "counter",
        "what",
        "Items and messages by what became of them.",
    ),
    ("worker", "waiting", "sanfang_intake_waiting", "gauge", "lane", "Messages that wait for the worker."),
    (
        "worker",
        "dropped",
        "sanfang_intake_dropped_total",
        "counter",
        "lane",
        "Messages without room in memory.",
    ),
    ("worker", "sent", "sanfang_intake_sent_total", "counter", "what", "Messages sent to edges."),
    ("chores", "done", "sanfang_chores_done_total", "counter", "chore", "What the chores have done."),
    ("chores", "failed", "sanfang_chores_failed_total", "counter", "chore", "Runs of a chore that failed."),
)


def _sum_told(
    told: Mapping[int, tuple[str, Mapping[str, Any]]], process: str, part: str, label: str
) -> dict[str, float]:
    """A part of what all such processes tell, added up by key."""
    sums: Counter[str] = Counter()
    for teller, words in told.values():
        if teller == process:
            sums.update(words.get(part, {}))
    return {f'{label}="{key}"': float(value) for key, value in sorted(sums.items())}


def write_metric(name: str, kind: str, text: str, values: Mapping[str, float]) -> Iterable[str]:
    """One metric; `values` maps labels as they are written (`part="worker"`) to a number."""
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for labels, value in values.items():
        yield f"{name}{{{labels}}} {value!r}\n" if labels else f"{name} {value!r}\n"
