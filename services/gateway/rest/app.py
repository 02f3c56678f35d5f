"""The contract's rows as one FastAPI application."""

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from services.gateway.rest import (
    accounts,
    chats,
    checkpoints,
    diffs,
    docs,
    downloads,
    environments,
    events,
    exports,
    files,
    integrations,
    policy,
    refusals,
    sessions,
    status,
    steering,
)
from services.gateway.rest.callers import Rows


def build_rest(here: Rows) -> FastAPI:
    """All rows; the development sign-in only where it is switched on."""
    app = FastAPI(
        title=status.NAME,
        version=status.lucid_version(),
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.rows = here
    refusals.install(app)
    if here.settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(here.settings.allowed_origins),
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["authorization", "content-type", "last-event-id"],
        )
    if here.settings.auth_dev_login:
        app.include_router(accounts.dev_router)
    of_sessions = (sessions, policy, steering, events, exports, checkpoints, diffs, chats, files, downloads)
    for rows in (status, accounts, *of_sessions, environments, integrations, docs):
        app.include_router(rows.router)
    return app
