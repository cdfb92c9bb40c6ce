"""The web application: routers, error handlers, the door, the console. The composition is `server.py`'s."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI

from hub.api import (
    accounts,
    alarms,
    bulk,
    commands,
    county,
    coverage,
    devices,
    enrolment,
    export,
    factor,
    floorplans,
    handover,
    hazards,
    health,
    incidents,
    journal,
    latest,
    live,
    modes,
    oidc,
    own,
    people,
    phones,
    places,
    readers,
    responsibility,
    root,
    roster,
    series,
    session,
    sites,
    staffing,
    tokens,
    versions,
)
from hub.api.console import make_console
from hub.api.context import Context
from hub.api.door import Door
from hub.api.fault import install_handlers

OPENAPI_PATH: Final = "/api/v1/openapi.json"
_ROUTERS: Final = (
    session.router,
    oidc.router,
    own.router,
    factor.router,
    accounts.router,
    tokens.router,
    phones.router,
    sites.router,
    county.router,
    live.router,
    alarms.router,
    hazards.router,
    incidents.router,
    devices.router,
    places.router,
    versions.router,
    series.router,
    latest.router,
    export.router,
    readers.router,
    journal.router,
    commands.router,
    people.router,
    roster.router,
    coverage.router,
    staffing.router,
    responsibility.router,
    floorplans.router,
    modes.router,
    handover.router,
    bulk.router,
    enrolment.router,
    root.router,
    health.router,
)


def make_application(context: Context) -> FastAPI:
    """The application over its parts."""
    # The pages that FastAPI draws need scripts from elsewhere, which our policy forbids.
    app = FastAPI(
        title="Sanfang",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        # An environment variable alone shall not send figures out of a school.
        telemetry={"auto_configure": False},
    )
    app.state.context = context
    install_handlers(app)
    for router in _ROUTERS:
        app.include_router(router)

    @app.get(OPENAPI_PATH, include_in_schema=False)
    def get_description() -> dict[str, Any]:
        return app.openapi()

    app.include_router(make_console())
    app.add_middleware(Door, requests=context.requests, proxies=context.settings.http.proxies)
    return app
