"""Builds the sandbox service from its settings."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
from lucid.sandbox.v1 import sandbox_pb2, sandbox_pb2_grpc

from services.rpc.errors import LucidError
from services.rpc.ids import new_ulid
from services.rpc.logs import get_logger
from services.rpc.serving import Access, Service
from services.sandbox.backends.control import ControlSockets
from services.sandbox.backends.docker import DockerLauncher
from services.sandbox.backends.docker_shape import DockerOptions
from services.sandbox.backends.doorways import Doorways
from services.sandbox.backends.egress.proxy import EgressProxy
from services.sandbox.backends.egress.trust import read_trust
from services.sandbox.backends.fleet import SandboxFleet
from services.sandbox.backends.gate import GateRelay
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.pool import WarmPool
from services.sandbox.backends.run_folder import RunFolders
from services.sandbox.backends.shelf import CheckpointShelf
from services.sandbox.backends.toolbox import DEFAULT_SOURCE
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.lifecycle import Ladder
from services.sandbox.domain.network import NetworkChoice, NetworkMode
from services.sandbox.ports import Clock, Lives, Ports
from services.sandbox.servicer import SandboxServicer
from services.sandbox.settings import Settings
from services.sandbox.store.database import migrate, open_database
from services.sandbox.store.lives import SqlLives
from services.sandbox.store.sql import SqlSandboxStore
from services.sandbox.store.warm import SqlWarmStore
from services.sandbox.usecases.climb_down import TRANSITIONS_KEPT, climb_down
from services.sandbox.usecases.reconcile import find_again, reconcile
from services.storage.database import Database

SERVICE = sandbox_pb2.DESCRIPTOR.services_by_name["SandboxService"]
_FILES_TO_LOOK_AT = {
    *("ListTree", "ReadFile", "StatFile", "DownloadFile"),
    *("SearchFiles", "WatchFiles", "ExportArchive"),
}
_COMMANDS_TO_LOOK_AT = {"AttachCommand", "ListCommands", "ReadCommandLog"}
_OF_SANDBOXES = {"ListSandboxes", "WatchSandboxes", "GetStats"}
_TERMINALS = {"OpenTerminal", "WriteTerminal", "ResizeTerminal", "CloseTerminal", "ListTerminals"}
_USER = frozenset(
    {
        "GetSandbox",
        "ListCheckpoints",
        "ReadCheckpoint",
        "ListImages",
        *_OF_SANDBOXES,
        *_FILES_TO_LOOK_AT,
        *_COMMANDS_TO_LOOK_AT,
        *_TERMINALS,
    }
)
LAST_LOOK_SECONDS = 1.0
TRIM_EVERY = timedelta(hours=6)
SHORTEST_LOOK = 0.1
log = get_logger(__name__)


def access() -> Mapping[str, Access]:
    """Who may call what."""
    return {
        f"/{SERVICE.full_name}/{method.name}": Access.USER if method.name in _USER else Access.INTERNAL
        for method in SERVICE.methods
    }


class UtcClock:
    """See ports.Clock."""

    def now(self) -> datetime:
        """See ports.Clock."""
        return datetime.now(UTC)


UTC_CLOCK = UtcClock()


@dataclass(frozen=True)
class _Parts:
    database: Database
    fleet: SandboxFleet
    ports: Ports
    pool: WarmPool
    look_every: float
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        await migrate(self.database)
        self.tasks.add(asyncio.create_task(find_again(self.ports)))
        self.tasks.add(asyncio.create_task(_keep_looking(self.ports, self.look_every, self.leaving)))
        try:
            await self.ports.fleet.confinement()
            removed = await reconcile(self.ports)
        except LucidError as error:  # said again, to the one who asks for a sandbox
            log.warning("sandboxes are not to be had now", extra={"reason": error.reason, "cause": error.message})
            removed = []
        if removed:
            log.info("orphans removed", extra={"sandboxes": removed})
        self.pool.start()

    async def stop(self) -> None:
        self.leaving.set()
        if self.tasks:  # a query that is cut off leaves its connection, and our end, waiting
            await asyncio.wait(self.tasks, timeout=LAST_LOOK_SECONDS)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.pool.stop()
        await self.fleet.close()
        with contextlib.suppress(LucidError, OSError):  # without its database it goes all the same
            await self.ports.lives.touch(self.fleet.take_uses())
        await self.database.dispose()


async def _keep_looking(ports: Ports, longest: float, leaving: asyncio.Event) -> None:
    rungs = (ports.ladder.pause_after, ports.ladder.idle_timeout, ports.ladder.retention)
    seconds = max(SHORTEST_LOOK, min([longest, *(rung.total_seconds() / 4 for rung in rungs if rung)]))
    trimmed = ports.clock.now()
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await leaving.wait()
                return
        try:
            await climb_down(ports)
            if ports.clock.now() - trimmed > TRIM_EVERY:
                trimmed = ports.clock.now()
                await ports.lives.trim(trimmed - TRANSITIONS_KEPT)
        except Exception as error:  # the next look may do better
            log.error("a look at the sandboxes failed", exc_info=error)


async def build(
    settings: Settings,
    connect: Callable[[str], grpc.aio.Channel],
    clock: Clock = UTC_CLOCK,
    egress: EgressProxy | None = None,
) -> Service:
    """The service, not yet started. It calls no other service, so `connect` is not used."""
    instance = await asyncio.to_thread(_instance, settings.data_dir)
    database = open_database(settings.database)
    lives = SqlLives(database)
    fleet = await asyncio.to_thread(_fleet, settings, instance, lives, clock, egress or EgressProxy())
    pool = WarmPool(SqlWarmStore(database, instance), fleet, clock, settings.pool_size)
    ports = Ports(
        store=SqlSandboxStore(database),
        fleet=fleet,
        clock=clock,
        pool=pool,
        lives=lives,
        shelf=CheckpointShelf(settings.data_dir.resolve()),
        network=settings.network,
        ladder=Ladder(
            pause_after=timedelta(seconds=settings.pause_after),
            idle_timeout=timedelta(seconds=settings.idle_timeout),
            retention=timedelta(days=settings.retention),
        ),
    )
    _say_what_may_be_reached(settings.network)
    parts = _Parts(database, fleet, ports, pool, settings.look_every)
    return Service(
        name="sandbox",
        service_names=(SERVICE.full_name,),
        register=lambda server: sandbox_pb2_grpc.add_SandboxServiceServicer_to_server(SandboxServicer(ports), server),
        access=access(),
        start=parts.start,
        stop=parts.stop,
    )


def end_sandboxes(data_dir: Path) -> None:
    """Ends the helpers of a data folder whose service is stopped, with all that runs below them. Files stay."""
    ControlSockets(data_dir).kill_all()


def _say_what_may_be_reached(network: NetworkChoice) -> None:
    policy = network.policy(network.mode)
    log.info("sandboxes may reach", extra={"mode": policy.mode.value, "hosts": policy.hosts})
    if policy.mode is not NetworkMode.OFF and not policy.rules:
        log.warning("no host is allowed to sandboxes: EGRESS_REGISTRIES and EGRESS_HOSTS are empty")


def _fleet(settings: Settings, instance: str, lives: Lives, clock: Clock, egress: EgressProxy) -> SandboxFleet:
    docker = DockerLauncher(
        DockerOptions(
            socket_path=settings.docker_socket,
            image=settings.image,
            limits=settings.limits,
            runtime=settings.runtime,
            prefix=settings.container_prefix,
            workspace=settings.workspace,
            instance=instance,
            images=settings.images,
            toolbox_sources=(settings.toolbox_image,) if settings.toolbox_image else (settings.image, DEFAULT_SOURCE),
            disk_quota=settings.disk_quota,
            data_dir=settings.data_dir,
        )
    )
    launchers = Launchers(
        settings.backend, settings.allow_unconfined, settings.data_dir.resolve(), docker, settings.limits
    )
    limits = settings.starts_at_once, settings.sandbox_limit
    relay = GateRelay(settings.gate, settings.internal_api_key)
    data_dir = settings.data_dir.resolve()
    control, uses = ControlSockets(data_dir), Uses(data_dir, clock)
    trust = read_trust(settings.ca_file)
    folders = RunFolders(data_dir, trust.files)
    doors = Doorways(relay, egress, trust)
    return SandboxFleet(launchers, doors, folders, control, lives, uses, clock, settings.output_limit, limits)


def _instance(data_dir: Path) -> str:
    """The id that tells this instance's containers from another's; kept in the data folder."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / "instance_id"
    if not path.exists():
        unfinished = path.with_name(f"instance_id.{os.getpid()}")
        unfinished.write_text(new_ulid() + "\n")
        with contextlib.suppress(FileExistsError):  # another service of this folder was faster
            path.hardlink_to(unfinished)
        unfinished.unlink()
    return path.read_text().strip()
