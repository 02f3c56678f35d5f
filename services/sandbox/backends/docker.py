"""Containers: dropped rights, limits, a read-only root, no network. Lifecycle by the engine's API."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount
from requests.exceptions import RequestException

from services.rpc.logs import get_logger
from services.sandbox.backends import engine_check, exec_stream
from services.sandbox.backends.docker_shape import (
    STATE,
    USER,
    DockerOptions,
    container_name,
    labels,
    shape,
    volume_names,
)
from services.sandbox.backends.furnishing import TOOLS_LABEL, furnished, main, place_in
from services.sandbox.backends.images import Image, Images, is_allowed
from services.sandbox.backends.toolbox import NOT_FOR_THE_HELPER, Toolbox
from services.sandbox.backends.volumes import Volumes
from services.sandbox.domain.enclosure import Expected, Setting
from services.sandbox.domain.errors import ImageNotAllowed, SandboxUnavailable
from services.sandbox.domain.limits import Quota
from services.sandbox.domain.models import Arrival, Confinement, Sandbox
from services.sandbox.ports import Attachment, Place

PROBE_SECONDS = 5
CALL_SECONDS = 120
SETTLE_SECONDS = 0.5
DISK_RESERVE = 8 * 2**20
log = get_logger(__name__)
Answer = TypeVar("Answer")


class DockerLauncher:
    """See ports.Launcher. Containers outlive this service and are found again by their name."""

    confinement = Confinement.DOCKER

    def __init__(self, options: DockerOptions) -> None:
        self._options = options
        self._threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="docker")
        self._client: Any = None
        self._lacking: frozenset[Setting] | None = None
        self._toolbox = Toolbox(self._engine, options.toolbox_sources)
        self._images = Images(self._engine, self._toolbox)
        self._volumes = Volumes(self._engine, options)
        self._furnished: dict[str, tuple[Image, str]] = {}

    def place(self, body: str) -> Place:
        """See ports.Launcher."""
        image, toolbox = self._furnished.get(body, (None, ""))
        place, limit = place_in(self._options.workspace, image, toolbox), self._options.limits.disk
        if self._volumes.is_bounded(body):
            return replace(place, disk_reserve=min(DISK_RESERVE, limit // 16))
        return replace(place, disk_limit=limit)

    async def image(self, asked: str) -> str:
        """See ports.Launcher."""
        if asked and not is_allowed(asked, self.images()):
            raise ImageNotAllowed(f"The image {asked} is not on the operator's list: {', '.join(self.images())}.")
        name = asked or self._options.image
        await self._call(lambda: self._images.get(name))
        return name

    def images(self) -> tuple[str, ...]:
        """See ports.Launcher."""
        return (self._options.image, *(name for name in self._options.images if name != self._options.image))

    async def usable(self) -> str:
        """Empty if the engine answers and the image is there or can be had, else why not."""
        if reason := _closed(self._options.socket_path):
            return reason
        try:
            await self._call(self._probe)
        except SandboxUnavailable as error:
            return error.message
        return ""

    async def expected(self, body: str = "") -> Expected:
        """See ports.Launcher."""
        if self._lacking is None:
            self._lacking = await self._call(lambda: engine_check.check(self._engine(), self._options.runtime))
        own_kernel = engine_check.has_own_kernel(self._options.runtime)
        is_bounded = self._volumes.is_bounded(body) if body else await self._call(self._volumes.quota) != Quota.NONE
        lacking = self._lacking if is_bounded else self._lacking | {Setting.DISK}
        return Expected(self._options.limits, lacking, bool(self._options.limits.disk), own_kernel)

    async def launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        """See ports.Launcher."""
        return await self._call(lambda: self._launch(sandbox, run_directory))

    async def attach(self, sandbox: Sandbox, argv: list[str], env: Mapping[str, str]) -> Attachment:
        """See ports.Launcher."""
        name = self._name(sandbox.sandbox_id)
        env = {**NOT_FOR_THE_HELPER, **env}
        return await exec_stream.attach(self._options.socket_path, name, argv, env, self._options.workspace)

    async def recipe(self, sandbox: Sandbox) -> str:
        """See ports.Launcher."""
        return await self._call(lambda: self._recipe(sandbox))

    async def rename(self, sandbox: Sandbox) -> None:
        """See ports.Launcher."""
        await self._call(lambda: self._find(sandbox))

    async def remove(self, body: str, keep_workspace: bool) -> None:
        """See ports.Launcher."""
        await self._call(lambda: self._remove(body, keep_workspace))

    async def survey(self) -> set[str]:
        """See ports.Launcher."""
        return await self._call(self._survey)

    async def pause(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher."""
        return await self._call(lambda: self._pause(sandbox))

    async def resume(self, sandbox: Sandbox) -> bool:
        """See ports.Launcher."""
        return await self._call(lambda: self._resume(sandbox))

    async def condition(self, sandbox: Sandbox) -> str:
        """See ports.Launcher."""
        try:
            return await self._call(lambda: self._condition(sandbox))
        except SandboxUnavailable:
            return "the Docker engine does not answer"

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
            self._lacking = engine_check.check(quick, self._options.runtime)
            self._volumes.quota()
            quick.images.get(self._options.image)
        except ImageNotFound:
            if "/" not in self._options.image:  # made on this machine; no registry has it
                raise
            self._engine().images.pull(self._options.image)
        finally:
            quick.close()
        self._toolbox.ensure()  # now, so that the first session need not wait for it

    def _name(self, sandbox_id: str) -> str:
        return container_name(self._options, sandbox_id)

    def _launch(self, sandbox: Sandbox, run_directory: str) -> Arrival:
        name = sandbox.image or self._options.image
        toolbox, image = self._toolbox.ensure(), self._images.get(name)
        self._furnished[sandbox.body] = image, toolbox
        container = self._find(sandbox)
        if container is not None and container.status == "paused":
            container.unpause()
            container.reload()
        if container is not None and container.status == "running" and container.labels.get(TOOLS_LABEL) == toolbox:
            self._volumes.look(sandbox.body)
            return Arrival(created=False, workspace_kept=True)
        if container is not None:
            container.remove(force=True, v=True)
        kept = self._volumes.ensure(sandbox)
        if not kept and not image.is_ours:
            self._own_folders(sandbox.body, image)
        made_of = furnished(self._shape(sandbox, run_directory), image, toolbox, run_directory)
        container = self._engine().containers.create(name, main(toolbox), **made_of)
        container.start()
        return Arrival(created=True, workspace_kept=kept)

    def _shape(self, sandbox: Sandbox, run_directory: str) -> dict[str, Any]:
        name, volumes = self._name(sandbox.sandbox_id), volume_names(self._name(sandbox.body))
        return shape(self._options, name, volumes, labels(self._options, sandbox), run_directory)

    def _find(self, sandbox: Sandbox) -> Any:
        """By its name; one that was made beforehand may not have it yet, and is given it."""
        for known_as in dict.fromkeys((sandbox.sandbox_id, sandbox.body)):
            try:
                container = self._engine().containers.get(self._name(known_as))
            except NotFound:
                continue
            if known_as != sandbox.sandbox_id:
                container.rename(self._name(sandbox.sandbox_id))
            return container
        return None

    def _recipe(self, sandbox: Sandbox) -> str:
        image, toolbox = self._images.get(sandbox.image or self._options.image), self._toolbox.ensure()
        disk = f"{self._volumes.quota().value} {self._options.limits.disk}"
        return f"{image.image_id} {toolbox} {disk} {furnished(self._shape(sandbox, ''), image, toolbox, '')}"

    def _own_folders(self, body: str, image: Image) -> None:
        """New volumes on an image of somebody else belong to root: they are given to our user."""
        volumes = volume_names(self._name(body))
        if self._toolbox.own(*volumes):
            return
        mounts = [Mount(self._options.workspace, volumes[0]), Mount(STATE, volumes[1])]
        command = ["chown", USER, self._options.workspace, STATE]
        giver = {"user": "0:0", "entrypoint": [], "network_mode": "none", "cap_drop": ["ALL"], "cap_add": ["CHOWN"]}
        self._engine().containers.run(image.image_id, command, mounts=mounts, remove=True, **giver)

    def _remove(self, body: str, keep_workspace: bool) -> None:
        self._furnished.pop(body, None)
        mine = [f"lucid.instance={self._options.instance}", f"lucid.sandbox={body}"]
        for found in self._engine().api.containers(all=True, filters={"label": mine}):
            with contextlib.suppress(NotFound):
                self._engine().api.remove_container(found["Id"], force=True, v=True)
        if keep_workspace:
            self._volumes.rest(body)
        else:
            self._volumes.remove(body)

    def _pause(self, sandbox: Sandbox) -> bool:
        container = self._find(sandbox)
        if container is None or container.status not in ("running", "paused"):
            return False
        if container.status == "running":
            container.pause()
        return True

    def _resume(self, sandbox: Sandbox) -> bool:
        container = self._find(sandbox)
        if container is None or container.status not in ("running", "paused"):
            return False
        if container.status == "paused":
            container.unpause()
        return True

    def _condition(self, sandbox: Sandbox) -> str:
        container = self._find(sandbox)
        if container is not None and container.status == "running":
            # The engine notes an end a moment after it: a helper that went with its container is not the cause.
            with contextlib.suppress(RequestException, NotFound):
                container.wait(timeout=SETTLE_SECONDS)
            container = self._find(sandbox)
        if container is None:
            return "its container was removed"
        if container.status in ("running", "paused"):
            return "its helper ended"
        return f"its container ended with code {container.attrs['State']['ExitCode']}"

    def _survey(self) -> set[str]:
        mine = {"label": f"lucid.instance={self._options.instance}"}
        found = self._engine().api.containers(all=True, filters=mine)
        return {container["Labels"]["lucid.sandbox"] for container in found} | self._volumes.survey()


def _closed(socket_path: str) -> str:
    """Why nothing can be asked at this socket; empty where it is open."""
    if not Path(socket_path).is_socket():
        return f"no Docker engine listens at {socket_path}"
    if not os.access(socket_path, os.R_OK | os.W_OK):
        return f"this user may not use the Docker engine at {socket_path}: add it to the group of that socket"
    return ""


def _text(error: Exception) -> str:
    return str(error.explanation if isinstance(error, APIError) else error)[:300]
