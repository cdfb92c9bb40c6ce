"""How errors leave: always {code, message, field?}, and never a stack trace."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from hub.accounts.desk import TooManyAttempts
from hub.api.shipment import WAIT_S, TooManyExports
from hub.api.views import Fault
from hub.domain.error import HubError, Moved, QueryTooSlow

_FIELD: Final = re.compile(r"^([A-Za-z][\w.\[\]-]{0,180}): ")
_log = logging.getLogger(__name__)

FAULTS: Final[dict[int | str, dict[str, Any]]] = {
    401: {"model": Fault, "description": "Not logged in"},
    404: {"model": Fault, "description": "There is no such thing, or it is not yours to see"},
    422: {"model": Fault, "description": "Not well formed; `field` says where"},
    503: {"model": Fault, "description": "The store is away or busy, or it took too long; nothing was changed"},
}
ACT_FAULTS: Final[dict[int | str, dict[str, Any]]] = {
    **FAULTS,
    403: {"model": Fault, "description": "Your role may not do this, or the request came from another site"},
    409: {"model": Fault, "description": "The thing is not in the state for this; the message says why"},
}
TOO_MANY: Final[dict[int | str, dict[str, Any]]] = {
    429: {"model": Fault, "description": "Too many failed attempts; Retry-After says how long"}
}


class Outdated(HubError):
    """The thing changed since the person saw it; the answer carries it as it is now."""

    status = Moved.status
    code = Moved.code

    def __init__(self, message: str, present: dict[str, Any]) -> None:
        super().__init__(message)
        self.present = present


def install_handlers(app: FastAPI) -> None:
    """Turn every error into the one shape."""
    app.add_exception_handler(HubError, _hub_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)


def answer_fault(
    status: int, code: str, message: str, field: str | None = None, more: dict[str, Any] | None = None
) -> JSONResponse:
    """An error's answer."""
    body = Fault(code=code, message=message, field=field).model_dump(exclude_none=True)
    return JSONResponse({**body, **(more or {})}, status_code=status)


def _hub_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HubError):
        raise error
    message = str(error) or (type(error).__doc__ or error.code)
    named = _FIELD.match(message) if error.status == 422 else None
    if error.status >= 500 and not error.retry:
        _log.error("%s: %s", error.code, message)
    elif isinstance(error, QueryTooSlow):
        _log.warning("%s %s: %s", request.method, request.url.path, message)
    message = error.told or message
    answer = answer_fault(
        error.status,
        error.code,
        message,
        named.group(1) if named else None,
        jsonable_encoder(error.present) if isinstance(error, Outdated) else None,
    )
    if isinstance(error, TooManyAttempts):
        answer.headers["Retry-After"] = str(error.wait_s)
    elif isinstance(error, TooManyExports):
        answer.headers["Retry-After"] = str(WAIT_S)
    return answer


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    details = error.errors()
    where = ".".join(str(part) for part in details[0]["loc"][1:]) if details else ""
    message = "; ".join(
        f"{'.'.join(str(part) for part in each['loc'][1:]) or 'body'}:"
        f" {str(each['msg']).removeprefix('Value error, ')}"
        for each in details[:10]
    )
    return answer_fault(422, "invalid", message, where or None)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    answer = answer_fault(error.status_code, phrase.lower().replace(" ", "_"), str(error.detail))
    answer.headers.update(error.headers or {})
    return answer
