"""Builds the sessions service from its settings."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import grpc
from lucid.sessions.v1 import sessions_pb2, sessions_pb2_grpc

from services.rpc.serving import Access, Service
from services.sessions.agent.leftovers import Sweeper
from services.sessions.agent.runner import Runner
from services.sessions.agent.sandboxes import SandboxNews
from services.sessions.agent.signals import LocalSignals
from services.sessions.backends.integrations import IntegrationsForge
from services.sessions.backends.models import ConfiguredModels
from services.sessions.backends.redis import RedisBus
from services.sessions.backends.sandbox import SandboxWorkspace
from services.sessions.backends.sealing import JweSealer
from services.sessions.ports import Limits, Ports, Signals
from services.sessions.servicer import SessionsServicer
from services.sessions.settings import Settings
from services.sessions.store.database import open_database
from services.sessions.store.replica import Replica
from services.sessions.store.sql import SqlEventStore
from services.sessions.store.watching import LiveWatching

SERVICE = sessions_pb2.DESCRIPTOR.services_by_name["SessionsService"]


class _SystemClock:
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass(frozen=True)
class Parts:
    """What stands behind the ports. Each can be replaced by another kind of the same thing."""

    store: type[SqlEventStore] = SqlEventStore
    models: type[ConfiguredModels] = ConfiguredModels
    workspace: type[SandboxWorkspace] = SandboxWorkspace
    forge: type[IntegrationsForge] = IntegrationsForge


PARTS = Parts()


def access() -> dict[str, Access]:
    """Who may call what: people reach their own sessions, and only services what is about everybody's."""
    return {
        f"/{SERVICE.full_name}/{method.name}": Access.INTERNAL if method.name == "GetStatus" else Access.USER
        for method in SERVICE.methods
    }


async def build(settings: Settings, connect: Callable[[str], grpc.aio.Channel], parts: Parts = PARTS) -> Service:
    """The service, not yet started."""
    local = LocalSignals()
    replica = Replica(RedisBus(settings.redis_url), local) if settings.redis_url else None
    live = replica.live if replica else LiveWatching()
    database = open_database(settings.database_url)
    store = parts.store(database, live.publish, settings.lease_seconds, live.forget)
    live.backed_by(store)
    signals = replica.signals if replica else local
    models = parts.models(settings.providers)
    ports = _ports(settings, connect, parts, store, live, signals, models)
    runner = Runner(ports, local, settings.lease_seconds, settings.sessions_at_once)
    sweeper, news = Sweeper(ports), SandboxNews(ports)

    warming: list[asyncio.Task[None]] = []

    async def start() -> None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        await store.start()
        if replica:
            replica.start()
        await runner.start()
        await sweeper.start()
        await news.start()
        # Providers' clients take seconds to load: not at the start, not at the first message either.
        warming.append(asyncio.create_task(models.warm(), name="warm-models"))

    async def drain() -> None:
        live.leave()
        await runner.stop()
        signals.wanted()

    async def stop() -> None:
        for task in warming:
            task.cancel()
        await asyncio.gather(*warming, return_exceptions=True)
        await news.stop()
        await sweeper.stop()
        await runner.stop()
        await models.close()
        if replica:
            await replica.stop()
        await store.stop()

    return Service(
        name="sessions",
        service_names=(SERVICE.full_name,),
        register=lambda server: sessions_pb2_grpc.add_SessionsServiceServicer_to_server(
            SessionsServicer(ports), server
        ),
        access=access(),
        start=start,
        stop=stop,
        drain=drain,
    )


def _ports(
    settings: Settings,
    connect: Callable[[str], grpc.aio.Channel],
    parts: Parts,
    store: SqlEventStore,
    live: LiveWatching,
    signals: Signals,
    models: ConfiguredModels,
) -> Ports:
    key = settings.internal_api_key
    return Ports(
        store=store,
        live=live,
        models=models,
        workspace=parts.workspace(connect(settings.sandbox_target), key),
        forge=parts.forge(connect(settings.integrations_target), key),
        clock=_SystemClock(),
        sealer=JweSealer(settings.encryption_key),
        signals=signals,
        limits=Limits(
            max_iterations=settings.max_iterations,
            conversation_timeout=settings.conversation_timeout,
            session_budget_micros=round(settings.session_budget_usd * 1_000_000),
            question_timeout=settings.question_timeout,
            confirmation=settings.confirmation,
            context_window=settings.context_window,
            compact_at=settings.compact_at,
            network=settings.network,
        ),
        title_model=settings.title_model,
    )
