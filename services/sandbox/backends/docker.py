"""Containers: dropped rights, limits, a read-only root, no network. Lifecycle by the engine's API."""

import asyncio
import io
import tarfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests.exceptions import RequestException

from services.rpc.logs import get_logger
from services.sandbox.backends import exec_stream
from services.sandbox.backends.docker_shape import (
    MAIN,
    RUN,
    STATE,
    DockerOptions,
    container_name,
    labels,
    shape,
    volume_names,
)
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place

PROBE_SECONDS = 5
CALL_SECONDS = 120
CONTENT_LABEL = "lucid.content"
log = get_logger(__name__)
Answer = TypeVar("Answer")


class DockerLauncher:
    """See ports.Launcher. Containers outlive this service and are found again by their name."""

    confinement = Confinement.DOCKER

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="docker")
        self._client: Any = None

    def place(self, sandbox_id: str) -> Place:
        """See ports.Launcher."""
        return Place(self._options.workspace, STATE, RUN, "python3", own_namespace=True)

    def image(self, asked: str) -> str:
        """See ports.Launcher."""
        return asked or self._options.image

    async def usable(self) -> str:
        """Empty if the engine answers and the image is there or can be had, else why not."""
        try:
            await self._call(self._probe)
        except SandboxUnavailable as error:
            return error.message
        return ""

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        return await self._call(lambda: self._launch(sandbox, run_directory))

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        name = self._name(sandbox.sandbox_id)
        return await exec_stream.attach(self._options.socket_path, name, argv, env, self._options.workspace)

    async def remove(self, sandbox_id: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        await self._call(lambda: self._remove(sandbox_id, keep_workspace))

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await self._call(self._survey)

    async def _call(self, work: Callable[[], Answer]) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (DockerException, RequestException, OSError) as error:
            raise SandboxUnavailable(f"The Docker engine refused: {_text(error)}") from error

    def _engine(self) -> Any:
        if self._client is None:
            self._client = docker.DockerClient(base_url=f"unix://{self._options.socket_path}", timeout=CALL_SECONDS)
        return self._client

    def _probe(self) -> None:
        quick = docker.DockerClient(base_url=f"unix://{self._options.socket_path}", timeout=PROBE_SECONDS)
        try:
            quick.ping()
            quick.images.get(self._options.image)
        except ImageNotFound:
            if "/" not in self._options.image:  # made on this machine; no registry has it
                raise
            self._engine().images.pull(self._options.image)
        finally:
            quick.close()

    def _name(self, sandbox_id: str) -> str:
        return container_name(self._options, sandbox_id)

    def _volumes(self, sandbox_id: str) -> tuple[str, str]:
        return volume_names(self._name(sandbox_id))

    def _launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        container = self._find(sandbox.sandbox_id)
        if container is not None and container.status == "running":
            return Arrival(created=False, workspace_kept=True)
        if container is not None:
            container.remove(force=True)
        kept = self._make_volumes(sandbox)
        image = self.image(sandbox.image)
        made_of = shape(self._options, self._name(sandbox.sandbox_id), labels(self._options, sandbox), run_directory)
        container = self._engine().containers.create(image, MAIN, **made_of)
        if not kept:
            self._own_folders(container, image)
        container.start()
        return Arrival(created=True, workspace_kept=kept)

    def _find(self, sandbox_id: str) -> Any:
        try:
            return self._engine().containers.get(self._name(sandbox_id))
        except NotFound:
            return None

    def _make_volumes(self, sandbox: Sandbox) -> bool:
        kept = True
        for name in self._volumes(sandbox.sandbox_id):
            try:
                self._engine().volumes.get(name)
            except NotFound:
                kept = False
                self._engine().volumes.create(name, labels=labels(self._options, sandbox))
        return kept

    def _own_folders(self, container: Any, image: str) -> None:
        """New volumes on an image of somebody else belong to root: they are given to our user before the start."""
        if CONTENT_LABEL in (self._engine().images.get(image).labels or {}):
            return
        for path in (self._options.workspace, STATE):
            container.put_archive(path.rpartition("/")[0] or "/", _folder_entry(path.rpartition("/")[2]))

    def _remove(self, sandbox_id: str, keep_workspace: bool) -> None:
        container = self._find(sandbox_id)
        if container is not None:
            container.remove(force=True)
        for name in () if keep_workspace else self._volumes(sandbox_id):
            try:
                self._engine().volumes.get(name).remove(force=True)
            except NotFound:
                continue

    def _survey(self) -> set[str]:
        mine = {"label": f"lucid.instance={self._options.instance}"}
        found = self._engine().api.containers(all=True, filters=mine)
        volumes = self._engine().api.volumes(filters=mine).get("Volumes") or []
        return {thing["Labels"]["lucid.sandbox"] for thing in [*found, *volumes]}


def _folder_entry(name: str) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        archive.addfile(entry)
    return content.getvalue()


def _text(error: Exception) -> str:
    return str(error.explanation if isinstance(error, APIError) else error)[:300]
