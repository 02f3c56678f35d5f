"""Builds integrations from its settings."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import grpc
from lucid.integrations.v1 import integrations_pb2, integrations_pb2_grpc

from services.integrations.backends.git_over_https import GitOverHttps
from services.integrations.backends.github import GitHub
from services.integrations.backends.gitlab import GitLab
from services.integrations.backends.http_backend import HttpBackend
from services.integrations.backends.http_client import GuardedClient
from services.integrations.backends.http_guard import HostRules
from services.integrations.backends.local_git import BareRepositories
from services.integrations.backends.local_provider import LocalProvider
from services.integrations.backends.repository_copies import RepositoryCopies
from services.integrations.backends.sealing import JweSealer
from services.integrations.backends.seed import seed_repositories
from services.integrations.domain.models import GITHUB, GITLAB, LOCAL
from services.integrations.gate.server import GateServer
from services.integrations.ports import Ports
from services.integrations.servicer import IntegrationsServicer
from services.integrations.settings import Settings
from services.integrations.store.connections import SqlConnectionStore
from services.integrations.store.database import migrate, open_database
from services.integrations.store.gates import SqlGateStore
from services.integrations.store.outbox import SqlOutbox
from services.integrations.store.pull_requests import SqlPullRequestStore
from services.rpc.serving import Access, Service
from services.storage.database import Database

SERVICE = integrations_pb2.DESCRIPTOR.services_by_name["IntegrationsService"]
_INTERNAL = frozenset({"OpenGate", "CloseGate", "ListPushes", "OpenPullRequest"})


def access() -> Mapping[str, Access]:
    """Who may call what."""
    return {
        f"/{SERVICE.full_name}/{method.name}": Access.INTERNAL if method.name in _INTERNAL else Access.USER
        for method in SERVICE.methods
    }


@dataclass(frozen=True)
class _Parts:
    settings: Settings
    database: Database
    client: GuardedClient
    repositories: BareRepositories
    gate: GateServer
    copies: RepositoryCopies | None

    async def start(self) -> None:
        await migrate(self.database)
        if self.settings.seed:
            await seed_repositories(self.repositories, self.settings.seed_dir)
        await self.gate.start()

    async def stop(self) -> None:
        await self.gate.stop()
        if self.copies is not None:
            await self.copies.close()
        await self.client.close()
        await self.database.dispose()


async def build(settings: Settings, connect: Callable[[str], grpc.aio.Channel]) -> Service:
    """The service, not yet started. It calls no other service, so `connect` is not used."""
    settings.repositories.mkdir(parents=True, exist_ok=True)
    database = open_database(settings.database)
    client = GuardedClient(HostRules(settings.provider_hosts_allowed))
    repositories = BareRepositories(settings.repositories)
    most_bytes = int(settings.repository_cache_gb * 10**9)
    copies = RepositoryCopies(settings.repository_copies, most_bytes) if most_bytes else None
    ports = replace(_ports(settings, database, client, repositories), repository_cache=copies)
    gate = GateServer(ports, settings.gate, settings.internal_api_key)
    parts = _Parts(settings, database, client, repositories, gate, copies)
    return Service(
        name="integrations",
        service_names=(SERVICE.full_name,),
        register=lambda server: integrations_pb2_grpc.add_IntegrationsServiceServicer_to_server(
            IntegrationsServicer(ports), server
        ),
        access=access(),
        start=parts.start,
        stop=parts.stop,
    )


def _ports(settings: Settings, database: Database, client: GuardedClient, repositories: BareRepositories) -> Ports:
    pull_requests = SqlPullRequestStore(database)
    gitlab = GitLab(client, settings.gitlab_url)
    return Ports(
        connections=SqlConnectionStore(database),
        gates=SqlGateStore(database),
        outbox=SqlOutbox(database),
        pull_requests=pull_requests,
        sealer=JweSealer(settings.encryption_key),
        providers={
            LOCAL: LocalProvider(repositories, pull_requests, settings.public_url),
            GITHUB: GitHub(client, settings.github_url, settings.github_api_url),
            GITLAB: gitlab,
        },
        upstreams={
            LOCAL: HttpBackend(settings.repositories),
            GITHUB: GitOverHttps(client, "x-access-token"),
            GITLAB: GitOverHttps(client, "oauth2"),
        },
        local_git=repositories,
        self_hosted=gitlab,
    )
