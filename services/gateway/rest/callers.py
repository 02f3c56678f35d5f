"""Who asks, for the rows: the contract's order and texts, and a caller that speaks for them."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from services.gateway.backends.upstreams import Caller, Upstreams
from services.gateway.convert import headers_of, visit_of
from services.gateway.domain.models import Identity, Visit
from services.gateway.domain.origins import SAFE_METHODS
from services.gateway.ports import Ports
from services.gateway.settings import Settings
from services.gateway.usecases.admit import admit
from services.rpc import logs
from services.rpc.errors import Unauthenticated
from services.rpc.identity import user_metadata


@dataclass(frozen=True)
class Rows:
    """What all rows stand on."""

    ports: Ports
    upstreams: Upstreams
    settings: Settings


def rows(request: Request) -> Rows:
    """Kept by the application."""
    return cast(Rows, request.app.state.rows)


RowsHere = Annotated[Rows, Depends(rows)]


def visit(request: Request) -> Visit:
    """The request's claims."""
    headers = headers_of(request.scope["headers"])
    return visit_of(request.url.scheme, headers, safe=request.method in SAFE_METHODS)


VisitHere = Annotated[Visit, Depends(visit)]


async def somebody(here: RowsHere, visiting: VisitHere) -> Identity | None:
    """The identity, or None. Raises Unauthenticated, OriginRefused."""
    return await admit(here.ports, visiting, here.settings.allowed_origins)


Somebody = Annotated[Identity | None, Depends(somebody)]


async def me(identity: Somebody) -> Identity:
    """The identity. Raises Unauthenticated."""
    if identity is None:
        raise Unauthenticated
    return identity


Me = Annotated[Identity, Depends(me)]


async def caller(here: RowsHere, identity: Me) -> Caller:
    """Calls the services with the identity's own token."""
    metadata = (*user_metadata(identity.token), ("x-request-id", logs.request_id.get()))
    return Caller(here.upstreams, metadata)


CallerHere = Annotated[Caller, Depends(caller)]
