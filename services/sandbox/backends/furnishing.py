"""What a container gets besides its shape, so that any image will do: the toolbox, a name for our user."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from docker.types import Mount

from services.sandbox.backends.docker_shape import MAIN, RUN, STATE
from services.sandbox.backends.images import Image
from services.sandbox.backends.toolbox import BIN, Toolbox, program
from services.sandbox.ports import Place

TOOLS_LABEL = "lucid.tools"
# A folder that the image declares as a volume would be one without a bound on the engine's disk, and stay behind.
DECLARED = "rw,exec,nosuid,nodev,size=256m,mode=0755,uid=1000,gid=1000"


def main(toolbox: str) -> list[str]:
    """The container's main process, which only waits."""
    return [*program("sleep"), "infinity"] if toolbox else MAIN


def furnished(shape: Mapping[str, Any], image: Image, toolbox: str, run_directory: str) -> dict[str, Any]:
    """The shape of a container of this image. Writes what is mounted from the run folder into it."""
    mounts = [mount if image.is_ours else _as_it_is(mount) for mount in shape["mounts"]]
    if toolbox:
        mounts.append(Toolbox.mount(toolbox))
    for name, text in (("passwd", image.passwd), ("group", image.group)):
        if text:
            (Path(run_directory) / name).write_text(text, encoding="utf-8")
            mounts.append(Mount(f"/etc/{name}", f"{run_directory}/{name}", type="bind", read_only=True))
    taken = {mount["Target"] for mount in mounts} | set(shape["tmpfs"])
    declared = {path: DECLARED for path in map(_clean, image.volumes) if path not in taken and path != "/"}
    return {
        **shape,
        "mounts": mounts,
        "tmpfs": {**shape["tmpfs"], **declared},
        "labels": {**shape["labels"], TOOLS_LABEL: toolbox},
    }


def place_in(workspace: str, image: Image | None, toolbox: str) -> Place:
    """Paths and programs inside. Without a toolbox the image's own python3 has to do."""
    return Place(
        workspace=workspace,
        state=STATE,
        run=RUN,
        python=program("helper") if toolbox else ("python3",),
        own_namespace=True,
        bash=program("bash") if toolbox else (),
        programs=BIN if toolbox else "",
        # The image's git may be a broken one. Ours is the same as the toolbox's, and starts without a wrapper.
        own_programs=image is not None and not image.is_ours,
        variables=image.variables if image else {},
    )


def _as_it_is(mount: Mount) -> Mount:
    """A volume that takes over neither content nor owner of the folder that it is mounted on."""
    if mount["Type"] != "volume":
        return mount
    return Mount(mount["Target"], mount["Source"], type="volume", read_only=mount["ReadOnly"], no_copy=True)


def _clean(path: str) -> str:
    return str(PurePosixPath("/", path))
