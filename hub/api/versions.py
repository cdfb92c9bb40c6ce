"""The versions of a site's document over HTTP: which there are, one as YAML, what differs, going back to one.

For those who may change the site: a version holds devices' parameters.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response

from hub.api.act import AtDesk, Number
from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import AtSite, may
from hub.api.places import ChangeAnswer, ChangeBody, change
from hub.api.views import Moment, View
from hub.domain.error import NotFound
from hub.sites.difference import compare
from hub.sites.document import write_yaml
from hub.store.database import Connection, borrow
from hub.store.version import SiteVersion, list_versions, load_version

router = APIRouter(prefix="/api/v1/sites/{site}/versions", tags=["places"])
Version = Annotated[Number, Path()]


class VersionView(View):
    """`source`: file, start (new settings for gateways only), console, import, revert, schema; `actor` an id,
    `by` that person's name where one may see it.
    """

    version: int
    at: Moment
    actor: str
    by: str | None
    source: str
    reason: str


class VersionList(View):
    """The newest first; `next` is what to ask `before` next time, null at the end."""

    versions: list[VersionView]
    next: int | None


class VersionDocument(VersionView):
    document: dict[str, Any]


class FieldView(View):
    field: str
    before: Any
    after: Any


class DifferenceView(View):
    """`order`: only the order of a list changed."""

    noun: Literal["site", "zone", "device", "post"]
    name: str
    change: Literal["added", "removed", "changed", "order"]
    fields: list[FieldView]


class DifferenceList(View):
    """What one has to do to come from version `before` to version `after`."""

    before: int
    after: int
    differences: list[DifferenceView]


@router.get("", operation_id="listVersions", dependencies=[may("site.edit")], responses=FAULTS)
def get_versions(
    here: Here,
    words: AtSite,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> VersionList:
    """The versions that are kept."""
    with borrow(here.pool, [words.site]) as connection:
        rows = list_versions(connection, words.site, before=before, limit=limit + 1)
    views = [VersionView(**row, by=words.accounts.get(row["actor"])) for row in rows[:limit]]
    return VersionList(versions=views, next=views[-1].version if len(rows) > limit else None)


@router.get("/{version}", operation_id="getVersion", dependencies=[may("site.edit")], responses=FAULTS)
def get_version(here: Here, words: AtSite, version: Version) -> VersionDocument:
    """One version whole."""
    with borrow(here.pool, [words.site]) as connection:
        found = _load(connection, words.site, version)
    return VersionDocument(
        version=found.version,
        at=found.at,
        actor=found.actor,
        by=words.accounts.get(found.actor),
        source=found.source,
        reason=found.reason,
        document=dict(found.document),
    )


@router.get(
    "/{version}/document.yaml",
    operation_id="getVersionAsYaml",
    dependencies=[may("site.edit")],
    responses=FAULTS,
    response_class=Response,
)
def get_version_yaml(here: Here, words: AtSite, version: Version) -> Response:
    """One version as it can stand in a site.yaml, without gateways and people."""
    with borrow(here.pool, [words.site]) as connection:
        found = _load(connection, words.site, version)
    name = f"{words.site}-{version}.yaml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(write_yaml(found.document), media_type="application/yaml", headers=headers)


@router.get(
    "/{version}/differences",
    operation_id="compareVersions",
    dependencies=[may("site.edit")],
    responses=FAULTS,
)
def get_differences(
    here: Here,
    words: AtSite,
    version: Version,
    against: Annotated[int | None, Query(ge=1, le=2**53, description="The one before, where absent")] = None,
) -> DifferenceList:
    """What changed from another version to this one."""
    with borrow(here.pool, [words.site]) as connection:
        after = _load(connection, words.site, version)
        if against is None:
            earlier = list_versions(connection, words.site, before=version, limit=1)
            against = int(earlier[0]["version"]) if earlier else version
        before = _load(connection, words.site, against)
    found = compare(before.document, after.document)
    return DifferenceList(
        before=against,
        after=version,
        differences=[
            DifferenceView(
                noun=each.noun,  # type: ignore[arg-type]  # the sections' keys
                name=each.name,
                change=each.change,
                fields=[FieldView(field=f.field, before=f.before, after=f.after) for f in each.fields],
            )
            for each in found
        ],
    )


@router.post(
    "/{version}/revert", operation_id="revertToVersion", dependencies=[may("site.edit")], responses=ACT_FAULTS
)
def post_revert(body: ChangeBody, desk: AtDesk, version: Version) -> ChangeAnswer:
    """Make an earlier version the newest again, as a new one; `body.version` is the newest that was seen."""
    with borrow(desk.here.pool, [desk.words.site]) as connection:
        found = _load(connection, desk.words.site, version)
    return change(desk, body, lambda _present: dict(found.document), source="revert")


def _load(connection: Connection, site: str, version: int) -> SiteVersion:
    found = load_version(connection, site, version)
    if found is None:
        raise NotFound("there is no such version")
    return found
