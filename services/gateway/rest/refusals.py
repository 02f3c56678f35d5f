"""Refusals in the contract's shape: `{"detail": …}`. Never a stack trace, never what was sent."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.gateway.domain.errors import Away
from services.rpc.errors import Code, LucidError

INVALID_REQUEST = "INVALID_REQUEST"
STATUS = {
    Code.INVALID_ARGUMENT: 400,
    Code.OUT_OF_RANGE: 400,
    Code.UNAUTHENTICATED: 401,
    Code.PERMISSION_DENIED: 403,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.FAILED_PRECONDITION: 409,
    Code.ABORTED: 409,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.CANCELLED: 503,
    Code.DEADLINE_EXCEEDED: 504,
}
FAULT = "Something went wrong on our side."


class Refused(HTTPException):
    """A refusal whose words the contract fixes."""


def status_of(error: LucidError) -> int:
    """The HTTP status of a refusal."""
    return 422 if error.reason == INVALID_REQUEST else STATUS.get(error.code, 500)


def words_of(error: LucidError) -> str:
    """What a person may read of it: a transport's own words are for the log only."""
    if status_of(error) in (500, 501):
        return FAULT
    return Away.default if error.reason in ("UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED") else error.message


def answer_of(error: LucidError, detail: Any = None) -> JSONResponse:
    """The whole answer; `detail` where a row has a shape of its own."""
    status = status_of(error)
    if detail is None:
        detail = words_of(error)
        if error.reason == INVALID_REQUEST:
            detail = [{"loc": ["body", error.metadata.get("field", "")], "msg": error.message, "type": "value_error"}]
    headers = {"Retry-After": "1"} if status == 503 else {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"detail": detail}, status_code=status, headers=headers)


async def _lucid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LucidError)
    return answer_of(error)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # Without the input that pydantic adds: it may hold a token.
    detail = [{"loc": list(found["loc"]), "msg": found["msg"], "type": found["type"]} for found in error.errors()]
    return JSONResponse({"detail": detail}, status_code=422)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, status_code=error.status_code, headers=error.headers)


def install(app: FastAPI) -> None:
    """Every way a row can refuse."""
    app.add_exception_handler(LucidError, _lucid)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
