"""Is it there, and what is it."""

import asyncio
import functools
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fastapi import APIRouter
from pydantic import BaseModel

from services.gateway.rest.callers import RowsHere
from services.gateway.usecases.get_installation import get_installation

router = APIRouter(tags=["status"])
NAME = "Lucid AI Engine"
CHECKOUT = Path(__file__).parents[3] / "pyproject.toml"


@functools.cache
def lucid_version() -> str:
    """Of the installed distribution, or of the checkout that this runs from."""
    try:
        return version("lucid-ai")
    except PackageNotFoundError:
        with CHECKOUT.open("rb") as file:
            return str(tomllib.load(file)["project"]["version"])


class StatusOut(BaseModel):
    """The old contract's status; false and 0 also where a service cannot be asked now."""

    service: str = NAME
    version: str
    status: str = "healthy"
    openhands_available: bool = False
    docker_available: bool = False
    active_sandboxes: int = 0
    active_sessions: int = 0
    llm_model: str


class HealthOut(BaseModel):
    """Alive."""

    status: str = "ok"


@router.get("/")
async def get_status(here: RowsHere) -> StatusOut:
    """For scripts; browsers get the page here."""
    installation, busy = await asyncio.gather(get_installation(here.ports), here.ports.occupants.look())
    return StatusOut(
        version=lucid_version(),
        docker_available=busy.confinement == "docker",
        active_sandboxes=busy.sandboxes,
        active_sessions=busy.sessions,
        llm_model=installation.default_model,
    )


@router.get("/health")
async def get_health() -> HealthOut:
    """For load balancers."""
    return HealthOut()
