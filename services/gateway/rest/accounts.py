"""Signing in and out."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from services.gateway.convert import COOKIE
from services.gateway.domain.errors import InvalidEmail
from services.gateway.domain.models import User
from services.gateway.domain.origins import check_host, check_origin
from services.gateway.rest.callers import Me, RowsHere, VisitHere
from services.gateway.rest.refusals import Refused
from services.gateway.usecases.dev_login import SIGN_IN_SECONDS, dev_login
from services.gateway.usecases.get_account import get_account
from services.gateway.usecases.logout import logout

router = APIRouter(prefix="/api/v1/auth", tags=["accounts"])
dev_router = APIRouter(prefix="/api/v1/auth", tags=["accounts"])


class UserOut(BaseModel):
    """A person."""

    id: str
    email: str
    name: str


class LoginIn(BaseModel):
    """Who wants in."""

    email: str


class LoginOut(BaseModel):
    """A short access token for scripts; browsers keep the cookie."""

    token: str
    expiresAt: str
    user: UserOut


class MeOut(BaseModel):
    """Who am I."""

    user: UserOut


class LogoutOut(BaseModel):
    """It is over."""

    status: str = "signed_out"


def _out(user: User) -> UserOut:
    return UserOut(id=user.user_id, email=user.email, name=user.name)


@dev_router.post("/dev-login")
async def post_dev_login(
    body: LoginIn, here: RowsHere, visiting: VisitHere, request: Request, response: Response
) -> LoginOut:
    """Signs in by an address alone; there only where AUTH_DEV_LOGIN=1."""
    allowed = here.settings.allowed_origins
    check_host(visiting.host, allowed)
    if visiting.origin:
        check_origin(visiting.origin, visiting.own_origin, allowed)
    try:
        signed = await dev_login(here.ports, body.email)
    except InvalidEmail as error:
        detail = [{"loc": ["body", "email"], "msg": error.message, "type": "value_error"}]
        raise Refused(422, detail) from error  # type: ignore[arg-type]  # the contract's list
    response.set_cookie(
        COOKIE,
        signed.secret,
        max_age=SIGN_IN_SECONDS,
        path="/",
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    expires = datetime.fromtimestamp(signed.token_expires, UTC).isoformat().replace("+00:00", "Z")
    return LoginOut(token=signed.token, expiresAt=expires, user=_out(signed.user))


@router.get("/me")
async def get_me(here: RowsHere, identity: Me) -> MeOut:
    """Who am I."""
    return MeOut(user=_out(await get_account(here.ports, identity.user_id)))


@router.post("/logout")
async def post_logout(here: RowsHere, identity: Me, response: Response) -> LogoutOut:
    """Ends this browser's sign-in."""
    await logout(here.ports, identity.secret)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
    return LogoutOut()
