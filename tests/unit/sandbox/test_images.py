"""What a container gets for its image, and which images may be asked for."""

from pathlib import Path

import pytest
from docker.types import Mount

from services.sandbox.backends.docker_shape import DockerOptions, shape, volume_names
from services.sandbox.backends.furnishing import DECLARED, TOOLS_LABEL, furnished, main, place_in
from services.sandbox.backends.images import Image, accounts, is_allowed
from services.sandbox.backends.toolbox import ROOT, program
from services.sandbox.domain.limits import Limits
from services.sandbox.settings import Settings

OPTIONS = DockerOptions("/s", "lucid-sandbox:latest", Limits(2**31, 1.0, 100, 0), "", "p-", "/workspace", "i")
OURS = Image("sha256:1", True, {"PATH": "/image/bin", "A": "1"})


def made(image: Image, toolbox: str, run: Path) -> tuple[dict[str, Mount], dict[str, str], str]:
    """Mounts by their place, folders in memory, and the label."""
    found = furnished(shape(OPTIONS, "p-1", volume_names("p-1"), {"a": "b"}, str(run)), image, toolbox, str(run))
    return {mount["Target"]: mount for mount in found["mounts"]}, found["tmpfs"], found["labels"][TOOLS_LABEL]


def test_the_toolbox_is_mounted_read_only(tmp_path: Path) -> None:
    mounts, _, label = made(OURS, "box", tmp_path)
    assert (mounts[ROOT]["Source"], mounts[ROOT]["ReadOnly"], label) == ("box", True, "box")
    assert main("box") == [*program("sleep"), "infinity"]
    mounts, _, label = made(OURS, "", tmp_path)
    assert (ROOT in mounts, label, main("")) == (False, "", ["sleep", "infinity"])


def test_volumes_that_an_image_declares_are_bounded_and_ours_stay_ours(tmp_path: Path) -> None:
    image = Image("sha256:2", False, {}, ("/data/", "/workspace", "/", "/tmp", "/var/lib"))
    mounts, tmpfs, _ = made(image, "box", tmp_path)
    assert {path for path, options in tmpfs.items() if options == DECLARED} == {"/data", "/var/lib"}
    assert tmpfs["/tmp"] != DECLARED
    assert (mounts["/workspace"]["Type"], mounts["/workspace"]["VolumeOptions"]) == ("volume", {"NoCopy": True})
    assert "VolumeOptions" not in made(OURS, "box", tmp_path)[0]["/workspace"]


def test_our_user_has_a_name_where_the_image_has_none(tmp_path: Path) -> None:
    passwd, group = accounts("root:x:0:0::/:/bin/sh\nwww:x:33:33::/:/bin/sh", "")
    assert passwd.splitlines()[:2] == ["root:x:0:0::/:/bin/sh", "www:x:33:33::/:/bin/sh"]
    assert passwd.splitlines()[2].startswith("sandbox:x:1000:1000:")
    assert group == "root:x:0:\nsandbox:x:1000:\n"
    mounts, _, _ = made(Image("sha256:3", False, {}, (), passwd, group), "box", tmp_path)
    assert (mounts["/etc/passwd"]["ReadOnly"], (tmp_path / "passwd").read_text()) == (True, passwd)
    assert accounts("node:x:1000:1000::/home/node:/bin/sh\n", "node:x:1000:\n") == ("", "")
    assert accounts("", "staff:x:1000:\n")[1] == "staff:x:1000:\n"


def test_the_helper_never_stands_on_the_image() -> None:
    foreign = place_in("/workspace", Image("sha256:4", False, {"PATH": "/x"}), "box")
    assert foreign.python == program("helper")
    assert foreign.bash == program("bash")
    assert foreign.own_programs
    assert not place_in("/workspace", OURS, "box").own_programs
    assert place_in("/workspace", OURS, "").python == ("python3",)


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("golang:1.27", True), ("golang:1", False), ("r.example/ci/x:1", True), ("r.example/c/x", False), ("a[b]", True)],
)
def test_the_operators_list(name: str, allowed: bool) -> None:
    assert is_allowed(name, ("golang:1.27", "r.example/ci/*", "a[b]")) is allowed


def test_the_list_in_the_environment() -> None:
    env = {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k", "SANDBOX_IMAGES": " golang:1.27 ,, r.example/ci/* "}
    assert Settings.from_env(env).images == ("golang:1.27", "r.example/ci/*")
