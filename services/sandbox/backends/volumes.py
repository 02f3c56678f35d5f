"""The two volumes of each container sandbox, and who keeps them to their limit of disk.

New ones are made as the operator chose. What is there already goes on as it was made, whatever was chosen since.
"""

import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from typing import Any

from docker.errors import APIError, NotFound

from services.rpc.logs import get_logger
from services.sandbox.backends import engine_check
from services.sandbox.backends.disk_images import DiskImages
from services.sandbox.backends.docker_shape import DockerOptions, container_name, labels, volume_names
from services.sandbox.backends.folders import SANDBOX_UID
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.limits import Quota
from services.sandbox.domain.models import Sandbox

FOLDERS = ("workspace", "state")  # on an image
log = get_logger(__name__)


class Volumes:
    """Calls block: they run in the launcher's threads. They raise DockerException and SandboxUnavailable."""

    def __init__(self, engine: Callable[[], Any], options: DockerOptions) -> None:
        self._engine = engine
        self._options = options
        self._images = DiskImages(options.data_dir.resolve())
        self._quota: Quota | None = None
        self._lock = threading.Lock()
        self._sized: set[str] = set()

    def quota(self) -> Quota:
        """Of new ones. Looked for once."""
        with self._lock:
            if self._quota is None:
                wanted = self._options.disk_quota if self._options.limits.disk else Quota.NONE.value
                self._quota = choose(wanted, self._no_xfs, self._no_loopback)
                log.info("limits of disk", extra={"kept_by": self._quota.value, "wanted": wanted})
            return self._quota

    def is_bounded(self, body: str) -> bool:
        """Whether the file system keeps its limit; of one that is not up: as far as is known. Cheap."""
        return self._images.has(body) or body in self._sized

    def ensure(self, sandbox: Sandbox) -> bool:
        """Makes them usable; whether they were there before."""
        found = {name: self._get(name) for name in self._names(sandbox.body)}
        is_new = not any(found.values())
        if is_new and not self._images.has(sandbox.body) and self.quota() is Quota.LOOPBACK:
            self._images.make(sandbox.body, self._options.limits.disk)
        if self._images.has(sandbox.body):
            return self._ensure_on_image(sandbox, found)
        size = {"size": str(self._options.limits.disk)} if is_new and self.quota() is Quota.XFS else {}
        for name in [name for name, volume in found.items() if volume is None]:
            self._create(name, sandbox, size)
        if size or all("size" in _options_of(volume) for volume in found.values()):
            self._sized.add(sandbox.body)
        return None not in found.values()

    def look(self, body: str) -> None:
        """Learns how those of one that runs were made."""
        if all("size" in _options_of(self._get(name)) for name in self._names(body)):
            self._sized.add(body)

    def rest(self, body: str) -> None:
        """Nothing runs on them for now."""
        if self._images.has(body):
            self._images.unmount(body)

    def remove(self, body: str) -> None:
        """With all they hold."""
        for name in self._names(body):
            with contextlib.suppress(NotFound):
                self._engine().volumes.get(name).remove(force=True)
        self._images.remove(body)
        self._sized.discard(body)

    def survey(self) -> set[str]:
        """Bodies of this instance's sandboxes of which any is there."""
        mine = {"label": f"lucid.instance={self._options.instance}"}
        found = self._engine().api.volumes(filters=mine).get("Volumes") or []
        return {volume["Labels"]["lucid.sandbox"] for volume in found} | self._images.survey()

    def _ensure_on_image(self, sandbox: Sandbox, found: dict[str, Any]) -> bool:
        """One file system holds both, so the limit is that of their sum."""
        place, kept = self._images.mount(sandbox.body), True
        for (name, volume), folder in zip(found.items(), FOLDERS, strict=True):
            path = place / folder
            if not path.is_dir():
                kept = False
                path.mkdir(mode=0o755)
                os.chown(path, SANDBOX_UID, SANDBOX_UID)
            if volume is not None and _options_of(volume).get("device") != str(path):  # the data folder was moved
                volume.remove()
                volume = None
            if volume is None:
                self._create(name, sandbox, {"type": "none", "o": "bind", "device": str(path)})
        return kept

    def _create(self, name: str, sandbox: Sandbox, options: dict[str, str]) -> None:
        about = {"driver_opts": options} if options else {}
        self._engine().volumes.create(name, labels=labels(self._options, sandbox), **about)

    def _get(self, name: str) -> Any:
        try:
            return self._engine().volumes.get(name)
        except NotFound:
            return None

    def _names(self, body: str) -> tuple[str, str]:
        return volume_names(container_name(self._options, body))

    def _no_xfs(self) -> str:
        """Only the engine knows what its volumes lie on, so it is asked for one with a size."""
        name = f"{self._options.prefix}quota-trial-{secrets.token_hex(4)}"
        try:
            self._engine().volumes.create(name, driver_opts={"size": str(self._options.limits.disk)}).remove()
        except APIError as error:
            said = str(error.explanation).removeprefix(f"create {name}: ")
            return f"the engine's volumes do not lie on xfs that is mounted with pquota (it says: {said})"
        return ""

    def _no_loopback(self) -> str:
        kind = engine_check.kind(self._engine().info())
        if kind != "rootful":
            return f"the engine is {kind}: users inside are others on a file system of this machine"
        return self._images.unusable()


def choose(wanted: str, no_xfs: Callable[[], str], no_loopback: Callable[[], str]) -> Quota:
    """What is wanted, or, for "auto", what costs nothing where it can be had. The callables say why one cannot be had
    here; empty where it can. Raises SandboxUnavailable for what was asked for by its name."""
    if wanted == "auto":
        reason = no_xfs()
        if reason:
            log.info("limits of disk are measured; SANDBOX_DISK_QUOTA=loopback may do more", extra={"cause": reason})
        return Quota.NONE if reason else Quota.XFS
    quota = Quota(wanted)
    checks: dict[Quota, Callable[[], str]] = {Quota.XFS: no_xfs, Quota.LOOPBACK: no_loopback, Quota.NONE: str}
    if reason := checks[quota]():
        raise SandboxUnavailable(f"SANDBOX_DISK_QUOTA is {wanted!r}, and {reason}.")
    return quota


def _options_of(volume: Any) -> dict[str, str]:
    return {} if volume is None else volume.attrs.get("Options") or {}
