"""Zones, devices, people, roster and responsibilities as one file, in and out: a workbook or YAML.

An import is first a draft: every fault with its sheet, row and column, and what would be added and changed.
Nothing is applied of a file that has a fault.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from hub.api.context import Here
from hub.api.fault import ACT_FAULTS, FAULTS
from hub.api.guard import Asker, AtSite, address_of, demand, may
from hub.api.views import View
from hub.bulk.application import apply_steps, fault_at
from hub.bulk.content import load_known, write_xlsx, write_yaml
from hub.bulk.draft import Draft, draft_import
from hub.bulk.reading import read_file
from hub.bulk.table import Fault as CellFault
from hub.clock import utc_now
from hub.dispatch.place import put_entries
from hub.store.database import borrow, reading

router = APIRouter(prefix="/api/v1/sites/{site}/bulk", tags=["bulk"])
Form = Annotated[Literal["xlsx", "yaml"], Path()]
Language = Annotated[Literal["zh", "en"], Query(description="The language of sheets and titles")]
_MEDIA: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "yaml": "application/yaml; charset=utf-8",
}


class FaultView(View):
    """`row` 0: the whole sheet; `column` its letters and title; `value` as it stands there, shortened."""

    sheet: str
    row: int
    column: str
    value: str
    message: str


class ImportView(View):
    """By kind (zone, device, person, shift, responsibility): how many are new, changed, as they were. `applied`
    is how many were done: none of a draft, and none where there are `faults`, but for one that only appeared
    while applying: what came before it stands, and the same file may be sent again.
    """

    added: dict[str, int]
    changed: dict[str, int]
    unchanged: dict[str, int]
    faults: list[FaultView]
    applied: int


@router.get(
    "/template.xlsx",
    operation_id="getTemplate",
    dependencies=[may("bulk.export")],
    responses=FAULTS,
    response_class=Response,
)
def get_template(words: AtSite, language: Language = "zh") -> Response:
    """An empty workbook with every column, and a sheet that explains them."""
    return _file(write_xlsx(None, language), "template", "xlsx")


@router.get(
    "/site.{form}",
    operation_id="exportBulk",
    dependencies=[may("bulk.export")],
    responses=FAULTS,
    response_class=Response,
)
def get_bulk(here: Here, words: AtSite, asker: Asker, form: Form, language: Language = "zh") -> Response:
    """What the site has, as an import would say it. Contacts only for those who may see them."""
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        known = load_known(connection, words.site)
    contacts = asker.access.may("person.contacts", words.site)
    if form == "xlsx":
        return _file(write_xlsx(known, language, contacts=contacts), words.site, form)
    return _file(write_yaml(known, contacts=contacts), words.site, form)


@router.post("/{form}", operation_id="importBulk", dependencies=[may("bulk.import")], responses=ACT_FAULTS)
def post_bulk(
    here: Here,
    words: AtSite,
    asker: Asker,
    request: Request,
    form: Form,
    data: Annotated[bytes, Body(media_type="application/octet-stream")],
    apply: Annotated[bool, Query(description="Do it; else only say what it would do")] = False,
) -> ImportView:
    """Read a file, and apply it where that is asked for and nothing is wrong with it."""
    for permission in ("person.edit", "roster.edit", "person.contacts"):
        demand(asker, permission, words.site)
    sheets = read_file(data, form)
    with borrow(here.pool, [words.site]) as connection, reading(connection):
        draft = draft_import(sheets, load_known(connection, words.site, here.outfit.profiles))
    if draft.places:
        demand(asker, "site.edit", words.site)
    if draft.faults or not apply:
        return _view(draft, 0)
    placed, refusal = put_entries(
        lambda: borrow(here.pool, [words.site]),
        words.site,
        [(f"{step.kind}s", step.given) for step in draft.places],
        here.outfit,
        asker.account,
        utc_now,
        {"station": asker.station, "client": address_of(request)},
    )
    if refusal:
        draft.faults.append(fault_at(draft.places[placed], refusal))
        here.names.forget(words.site)
        return _view(draft, placed)
    done = apply_steps(
        lambda: borrow(here.pool, [words.site]),
        words.site,
        asker.account,
        asker.station,
        draft.steps,
        utc_now,
        address_of(request),
    )
    here.names.forget(words.site)
    draft.faults += [done.fault] if done.fault else []
    return _view(draft, placed + done.done)


def _view(draft: Draft, applied: int) -> ImportView:
    return ImportView(
        added=draft.added,
        changed=draft.changed,
        unchanged=draft.unchanged,
        faults=[_fault(each) for each in draft.faults],
        applied=applied,
    )


def _fault(fault: CellFault) -> FaultView:
    return FaultView(
        sheet=fault.sheet, row=fault.row, column=fault.column, value=fault.value, message=fault.message
    )


def _file(data: bytes, name: str, form: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="sanfang-{name}.{form}"'}
    return Response(data, media_type=_MEDIA[form], headers=headers)
