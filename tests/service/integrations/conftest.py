"""Integrations on a real socket, a gate on the seeded project, a GitHub stand-in."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.integrations.client import IntegrationsClient
from services.integrations.server import build
from services.integrations.settings import Settings
from services.rpc.channels import open_channel
from services.rpc.identity import Verifier, service_metadata, sign_access_token, user_metadata
from services.rpc.testing import serving
from tests.fakes.github import GitHubStandIn
from tests.service.integrations.gate_road import KEY, SESSION, GateRoad, Workshop

SECRET = "session-secret-of-the-tests-0123456789"
OWNER = "usr_ada"
PROJECT = "lucid/teatime"


@dataclass
class House:
    """Integrations on a real socket, with clients for a person and for another service."""

    settings: Settings
    service: IntegrationsClient
    person: IntegrationsClient

    @property
    def socket(self) -> Path:
        return Path(self.settings.gate.removeprefix("unix:"))

    async def open_gate(self, session_id: str = SESSION, epoch: int = 1, **what: str) -> pb.OpenGateResponse:
        request = pb.OpenGateRequest(session_id=session_id, owner_id=OWNER, epoch=epoch, **what)
        return await self.service.open_gate(request)


@contextlib.asynccontextmanager
async def running_house(settings: Settings) -> AsyncIterator[House]:
    verifier = Verifier(SECRET, KEY)
    built = await build(settings, open_channel)
    async with serving(built, verifier=verifier) as channel:
        service = IntegrationsClient(channel, service_metadata(KEY, OWNER))
        token = sign_access_token(SECRET, OWNER, 600)
        yield House(settings, service, service.acting_as(user_metadata(token)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        session_secret=SECRET,
        internal_api_key=KEY,
        encryption_key="encryption-key-of-the-tests",
        data_dir=tmp_path / "data",
        seed=True,
    )


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    async with running_house(settings) as made:
        yield made


@dataclass
class Site:
    """A gate opened on the seeded project, and a workshop whose git goes through it."""

    house: House
    road: GateRoad
    shop: Workshop
    opened: pb.OpenGateResponse

    @property
    def clone_url(self) -> str:
        return self.opened.repository.clone_url

    @property
    def bare(self) -> Path:
        return self.house.settings.repositories / f"{PROJECT}.git"

    async def clone(self, *options: str) -> Path:
        tree = self.shop.folder / "tree"
        await self.shop.must("clone", "-q", *options, self.clone_url, str(tree))
        return tree

    async def pushes(self) -> list[pb.Push]:
        answer = await self.house.service.list_pushes(pb.ListPushesRequest(session_id=SESSION))
        return list(answer.pushes)


@pytest.fixture
async def site(house: House, tmp_path: Path) -> AsyncIterator[Site]:
    opened = await house.open_gate(provider="local", full_name=PROJECT)
    async with GateRoad(house.socket) as road:
        yield Site(house, road, Workshop(tmp_path / "shop", dict(opened.git_config), road), opened)


TOKEN = "ghp_CANARY0123456789abcdefghijklmnopqrstuv"
SECRET_REPO = "ada/secret"


@dataclass
class GitHubSite(Site):
    """The same on a private repository of the GitHub stand-in, with ada's token saved."""

    github: GitHubStandIn


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(tmp_path / "github") as made:
        made.add_account("ada", TOKEN)
        made.add_repository(SECRET_REPO, {"README.md": "secret\n"})
        yield made


@pytest.fixture
async def github_house(settings: Settings, github: GitHubStandIn) -> AsyncIterator[House]:
    async with running_house(replace(settings, **github.settings())) as made:
        await made.person.save_connection(pb.SaveConnectionRequest(provider="github", token=TOKEN))
        yield made


@pytest.fixture
async def github_site(github_house: House, github: GitHubStandIn, tmp_path: Path) -> AsyncIterator[GitHubSite]:
    opened = await github_house.open_gate(url=f"{github.url}/{SECRET_REPO}")
    async with GateRoad(github_house.socket) as road:
        yield GitHubSite(github_house, road, Workshop(tmp_path / "shop", dict(opened.git_config), road), opened, github)
