"""The images that sandboxes are made of: which ones the operator allows, and what each of them is like."""

import fnmatch
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, DockerException, ImageNotFound

from services.sandbox.backends.toolbox import CONTENT_LABEL, NOT_FOR_THE_HELPER, Toolbox, program, script
from services.sandbox.domain.errors import ImageUnsuitable, NoSuchImage

UID = 1000
LOOK_SECONDS = 60
OURS = "lucid-"
# Libraries for the image's own programs: a bash of the toolbox would load them too.
NOT_CARRIED = ("LD_PRELOAD", "LD_AUDIT")
CPUS = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i386": "386", "i686": "386"}


@dataclass(frozen=True)
class Image:
    """`variables`: those that it sets. `volumes`: folders that it declares as such. `passwd` and `group`: to stand in
    place of its own, so that our user has a name there; empty where it has one."""

    image_id: str
    is_ours: bool
    variables: Mapping[str, str]
    volumes: tuple[str, ...] = ()
    passwd: str = ""
    group: str = ""


class Images:
    """Calls block: they run in the launcher's threads. Each image is looked at once."""

    def __init__(self, engine: Callable[[], Any], toolbox: Toolbox) -> None:
        self._engine = engine
        self._toolbox = toolbox
        self._known: dict[str, Image] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Image:
        """Fetches it first where it is not here. Raises NoSuchImage, ImageUnsuitable, DockerException."""
        found = self._found(name)
        with self._lock:  # so that an image that many ask for at once is looked at once
            if found.id not in self._known:
                self._known[found.id] = self._looked_at(name, found)
        return self._known[found.id]

    def _found(self, name: str) -> Any:
        try:
            return self._engine().images.get(name)
        except ImageNotFound:
            pass
        if "/" not in name and name.startswith(OURS):  # made on this machine: no registry has it
            raise NoSuchImage(f"There is no image {name} on the sandbox service's engine.")
        try:
            return self._engine().images.pull(name, **({} if _has_tag(name) else {"tag": "latest"}))
        except (APIError, DockerException) as error:
            text = str(getattr(error, "explanation", None) or error)[:300]
            raise NoSuchImage(f"The image {name} is not here and cannot be fetched: {text}") from error

    def _looked_at(self, name: str, found: Any) -> Image:
        config = found.attrs.get("Config") or {}
        self._same_cpu(name, found.attrs.get("Architecture") or "")
        variables = dict(entry.partition("=")[::2] for entry in config.get("Env") or [])
        variables = {name: value for name, value in variables.items() if name not in NOT_CARRIED}
        volumes = tuple(sorted(config.get("Volumes") or {}))
        is_ours = CONTENT_LABEL in (config.get("Labels") or {})
        toolbox = self._toolbox.ensure()
        if is_ours or not toolbox:
            return Image(found.id, is_ours, variables, volumes)
        seen = self._look(name, found.id, toolbox)
        passwd, group = accounts(seen["passwd"], seen["group"])
        return Image(found.id, is_ours, variables, volumes, passwd, group)

    def _same_cpu(self, name: str, its: str) -> None:
        ours = self._engine().info().get("Architecture", "")
        ours = CPUS.get(ours, ours)
        if its and CPUS.get(its, its) != ours:
            raise ImageUnsuitable(f"The image {name} is made for {its}, and this machine is {ours}.")

    def _look(self, name: str, image_id: str, toolbox: str) -> dict[str, str]:
        """By a program of ours that runs in it: what the image says of itself need not be so."""
        container = self._engine().containers.create(
            image_id,
            [*program("helper"), "-I", "-S", "-c", script("look")],
            user=f"{UID}:{UID}",
            entrypoint=[],
            read_only=True,
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit="256m",
            pids_limit=64,
            environment=NOT_FOR_THE_HELPER,
            mounts=[Toolbox.mount(toolbox)],
        )
        try:
            container.start()
            status = container.wait(timeout=LOOK_SECONDS)["StatusCode"]
            output = container.logs(stderr=status != 0).decode(errors="replace")
        except APIError as error:
            raise ImageUnsuitable(f"The image {name} does not start: {str(error.explanation)[:300]}") from error
        finally:
            container.remove(force=True, v=True)
        if status:
            raise ImageUnsuitable(f"The image {name} does not start: {output.strip()[-300:]}")
        seen: dict[str, str] = json.loads(output)
        if seen["shell"]:
            raise ImageUnsuitable(f"/bin/sh of the image {name} does not run: {seen['shell']}.")
        return seen


def is_allowed(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether the operator's list has it; `*` in an entry stands for any characters."""
    return any(fnmatch.fnmatchcase(name, entry.replace("[", "[[]").replace("?", "[?]")) for entry in allowed)


def _has_tag(name: str) -> bool:
    return ":" in name.rpartition("/")[2] or "@" in name


def accounts(passwd: str, group: str) -> tuple[str, str]:
    """Its own accounts and ours; nothing where it has one with our number."""
    if any(line.split(":")[2:3] == [str(UID)] for line in passwd.splitlines()):
        return "", ""
    passwd = _lines(passwd or "root:x:0:0:root:/root:/bin/sh\n")
    group = _lines(group or "root:x:0:\n")
    if not any(line.split(":")[2:3] == [str(UID)] for line in group.splitlines()):
        group += f"sandbox:x:{UID}:\n"
    return f"{passwd}sandbox:x:{UID}:{UID}:sandbox:/var/lib/lucid/home:/bin/sh\n", group


def _lines(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
