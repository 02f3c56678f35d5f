"""The toolbox: a read-only volume with a python of our own, and bash and git for images that have none.

Its content comes from an image with Debian's python, bash and git (our own); one volume for each content, shared by
all services of an engine. A stopped container of the same name, which has filled it, is the sign that it is whole.
"""

import contextlib
import hashlib
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import Mount

from services.rpc.logs import get_logger

ROOT = "/opt/lucid"
BIN = f"{ROOT}/bin"
LABEL = "lucid.toolbox"
DEFAULT_SOURCE = "lucid-sandbox:latest"
CONTENT_LABEL = "lucid.content"
FILL_SECONDS = 180
# What an image may set that would lead the toolbox's loader to the image's own libraries.
NOT_FOR_THE_HELPER = {"LD_PRELOAD": "", "LD_LIBRARY_PATH": "", "LD_AUDIT": ""}
CONFLICT = 409
log = get_logger(__name__)


def program(name: str) -> tuple[str, ...]:
    """How a program of the toolbox is started, whatever C library the image has, if any."""
    path, libraries = f"{ROOT}/libexec/{name}", f"{ROOT}/lib"
    return (f"{libraries}/ld.so", "--inhibit-cache", "--argv0", path, "--library-path", libraries, path)


@cache
def script(name: str) -> str:
    """A script that runs inside."""
    return (files("services.sandbox") / "toolbox" / f"{name}.py").read_text()


class Toolbox:
    """Calls block: they run in the launcher's threads. `sources`: images to fill it from, the first that is there."""

    def __init__(self, engine: Callable[[], Any], sources: tuple[str, ...]) -> None:
        self._engine = engine
        self._sources = sources
        self._swept = False
        self._told = False

    def ensure(self) -> str:
        """The volume's name, filled; empty where no image has what it is made of. Raises DockerException."""
        source = self._source()
        name = "" if source is None else self._filled(source)
        if not name and not self._told:
            self._told = True
            log.warning("no toolbox: images need python3, bash and git of their own", extra={"tried": self._sources})
        if name and not self._swept:
            self._swept = True
            self._sweep(name)
        return name

    @staticmethod
    def mount(name: str) -> Mount:
        """For a sandbox."""
        return Mount(ROOT, name, type="volume", read_only=True)

    def own(self, workspace: str, state: str) -> bool:
        """Gives two new volumes to our user, if there is an image of ours: a volume takes over its folder's owner when
        a container of it is made; it need not run."""
        source = self._source()
        if source is None:
            return False
        mounts = [Mount("/workspace", workspace), Mount("/var/lib/lucid", state)]
        self._engine().containers.create(source.id, mounts=mounts, network_mode="none").remove()
        return True

    def _source(self) -> Any:
        for name in self._sources:
            try:
                image = self._engine().images.get(name)
            except ImageNotFound:
                continue
            if CONTENT_LABEL in (image.labels or {}):
                return image
        return None

    def _filled(self, source: Any) -> str:
        content = hashlib.sha256(f"{source.id}\n{script('fill')}".encode()).hexdigest()[:12]
        name = f"lucid-toolbox-{content}"
        for _ in range(2):
            filler = self._filler(name, source.id)
            if filler.wait(timeout=FILL_SECONDS)["StatusCode"] == 0:
                return name
            log.error(
                "the toolbox could not be filled", extra={"output": filler.logs(tail=20).decode(errors="replace")}
            )
            with contextlib.suppress(NotFound, APIError):
                filler.remove(force=True)
        return ""

    def _filler(self, name: str, image: str) -> Any:
        """The container that fills the volume, or has filled it: whichever service was first has made it."""
        containers = self._engine().containers
        try:
            return containers.get(name)
        except NotFound:
            pass
        self._engine().volumes.create(name, labels={LABEL: name})
        try:
            made = containers.create(
                image, ["python3", "-I", "-c", script("fill"), ROOT], **_confined(name), mounts=[Mount(ROOT, name)]
            )
        except APIError as error:
            if error.status_code != CONFLICT:
                raise
            return containers.get(name)
        made.start()
        return made

    def _sweep(self, current: str) -> None:
        """Removes older ones. A volume that a container uses stays until it uses it no more."""
        found = self._engine().api.containers(all=True, filters={"label": LABEL, "status": "exited"})
        for old in [each for each in found if each["Labels"][LABEL] != current]:
            with contextlib.suppress(APIError):
                self._engine().api.remove_container(old["Id"])
        for volume in self._engine().volumes.list(filters={"label": LABEL}):
            if volume.name != current:
                with contextlib.suppress(APIError):
                    volume.remove()


def _confined(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {LABEL: name},
        "user": "0:0",
        "entrypoint": [],
        "read_only": True,
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": "512m",
        "pids_limit": 64,
    }
