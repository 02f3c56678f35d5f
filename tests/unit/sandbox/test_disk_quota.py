"""Who keeps a sandbox to its limit of disk: what is chosen, what is refused, what a full disk is left to be cleared."""

import os
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from services.sandbox.backends.disk_images import DiskImages
from services.sandbox.backends.docker_shape import DockerOptions
from services.sandbox.backends.volumes import Volumes, choose
from services.sandbox.domain.errors import SandboxUnavailable
from services.sandbox.domain.limits import Limits, Quota
from services.sandbox.guest import reserve
from services.sandbox.guest.reserve import FILES, STEP, Reserve
from services.sandbox.settings import Settings

SECRETS = {"SESSION_SECRET": "s", "INTERNAL_API_KEY": "k"}


class Engine:
    """Answers as one that can, or cannot, give a volume a size."""

    def __init__(self, refusal: str, options: str = "name=seccomp") -> None:
        self.volumes = self
        self._refusal = refusal
        self._options = options
        self.left: list[str] = []

    def info(self) -> dict[str, Any]:
        return {"SecurityOptions": [self._options]}

    def create(self, name: str, driver_opts: dict[str, str]) -> "Engine":
        assert driver_opts == {"size": str(2**30)}
        if self._refusal:
            raise APIError("refused", explanation=f"create {name}: {self._refusal}")
        self.left.append(name)
        return self

    def remove(self) -> None:
        self.left.pop()


def volumes(tmp_path: Path, wanted: str, engine: Engine, disk: int = 2**30) -> Volumes:
    limits = Limits(2**31, 1.0, 100, disk)
    options = DockerOptions("/s", "i", limits, "", "p-", "/w", "1", disk_quota=wanted, data_dir=tmp_path)
    return Volumes(lambda: engine, options)


def test_what_is_asked_for_by_name_is_given_or_refused() -> None:
    assert choose("none", lambda: "no", lambda: "no") is Quota.NONE
    assert choose("xfs", str, lambda: "no") is Quota.XFS
    assert choose("loopback", lambda: "no", str) is Quota.LOOPBACK
    with pytest.raises(SandboxUnavailable, match="SANDBOX_DISK_QUOTA is 'loopback', and there is no root"):
        choose("loopback", str, lambda: "there is no root")
    with pytest.raises(SandboxUnavailable, match="SANDBOX_DISK_QUOTA is 'xfs', and it is ext4"):
        choose("xfs", lambda: "it is ext4", str)


def test_auto_takes_what_costs_nothing_and_is_never_refused() -> None:
    assert choose("auto", str, str) is Quota.XFS
    assert choose("auto", lambda: "no", lambda: pytest.fail("images were tried")) is Quota.NONE


def test_the_engine_is_asked_whether_it_has_project_quotas(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    able, unable = Engine(""), Engine("quota size requested but no quota support")
    assert volumes(tmp_path, "auto", able).quota() is Quota.XFS
    assert able.left == []
    caplog.set_level("INFO")
    assert volumes(tmp_path, "auto", unable).quota() is Quota.NONE
    assert "limits of disk are measured" in caplog.text
    with pytest.raises(SandboxUnavailable, match=r"pquota \(it says: quota size requested but no quota support\)"):
        volumes(tmp_path, "xfs", unable).quota()


def test_without_a_limit_nobody_keeps_it(tmp_path: Path) -> None:
    assert volumes(tmp_path, "auto", Engine("never asked"), disk=0).quota() is Quota.NONE


def test_an_engine_with_other_users_gets_no_images(tmp_path: Path) -> None:
    with pytest.raises(SandboxUnavailable, match="the engine is userns: users inside are others"):
        volumes(tmp_path, "loopback", Engine("", "name=userns")).quota()


def test_images_say_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "does not run as root" in DiskImages(tmp_path).unusable()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("services.sandbox.backends.disk_images.PATH", str(tmp_path))
    assert DiskImages(tmp_path).unusable() == "mkfs.ext4 is not installed (apt-get install e2fsprogs)"
    assert DiskImages(tmp_path).survey() == set()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SANDBOX_DISK_QUOTA": "btrfs"}, "SANDBOX_DISK_QUOTA is 'btrfs'; it can be auto, none, loopback, xfs"),
        ({"SANDBOX_DISK_QUOTA": "loopback"}, "it needs SANDBOX_BACKEND=docker"),
        (
            {"SANDBOX_DISK_QUOTA": "loopback", "SANDBOX_BACKEND": "docker", "SANDBOX_DISK_LIMIT": "16m"},
            "needs a SANDBOX_DISK_LIMIT of 32m at least",
        ),
        ({"SANDBOX_DISK_QUOTA": "xfs", "SANDBOX_BACKEND": "docker", "SANDBOX_DISK_LIMIT": "0"}, "of 32m at least"),
    ],
)
def test_settings_that_make_no_sense(env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Settings.from_env({**SECRETS, **env})


def test_settings_that_do() -> None:
    assert Settings.from_env(SECRETS).disk_quota == "auto"
    assert Settings.from_env({**SECRETS, "SANDBOX_DISK_QUOTA": "none"}).disk_quota == "none"
    asked = {"SANDBOX_DISK_QUOTA": "loopback", "SANDBOX_BACKEND": "docker"}
    assert Settings.from_env({**SECRETS, **asked}).disk_quota == "loopback"


def steps(state: Path) -> int:
    return len(list((state / "reserve").iterdir()))


def test_the_reserve_is_given_step_by_step_and_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reserve(str(tmp_path), str(tmp_path), 3 * STEP)
    assert kept.tend()
    assert steps(tmp_path) == 3
    assert (tmp_path / "reserve" / "0" / "0").stat().st_blocks * 512 >= STEP
    assert len(list((tmp_path / "reserve" / "0").iterdir())) == FILES
    with monkeypatch.context() as full:
        full.setattr(reserve, "_is_full", lambda _: True)
        assert [(kept.tend(), steps(tmp_path)) for _ in range(4)] == [(False, 2), (False, 1), (False, 0), (False, 0)]
        assert kept.is_full()
    assert kept.tend()
    assert steps(tmp_path) == 3


def test_nothing_is_kept_back_on_a_disk_without_a_limit(tmp_path: Path) -> None:
    kept = Reserve(str(tmp_path), str(tmp_path), 0)
    assert kept.tend()
    assert not kept.is_full()
    assert list(tmp_path.iterdir()) == []
