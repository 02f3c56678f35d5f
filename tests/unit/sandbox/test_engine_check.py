"""Which engines are warned about, what they cannot give, which runtimes are refused."""

from typing import Any

import pytest

from services.sandbox.backends.engine_check import check, has_own_kernel, holes, kind
from services.sandbox.domain.enclosure import Setting
from services.sandbox.domain.errors import SandboxUnavailable

OLD = {"Engine": "20.10.24+dfsg1", "containerd": "1.6.20~ds1", "runc": "1.1.5+ds1"}
NEW = {"Engine": "29.5.1", "containerd": "v2.2.5", "runc": "1.4.0"}


class Client:
    """An engine's two answers."""

    def __init__(self, versions: dict[str, str], **info: Any) -> None:
        self._versions = versions
        self._info = {"Runtimes": {"runc": {}}, "SecurityOptions": ["name=seccomp,profile=default"], **info}

    def info(self) -> dict[str, Any]:
        return self._info

    def version(self) -> dict[str, Any]:
        return {"Components": [{"Name": name, "Version": version} for name, version in self._versions.items()]}


def test_old_parts_are_named_with_their_holes() -> None:
    named = {(part, name) for part, _, hole in holes(OLD) for name in hole.names}
    assert {("runc", "CVE-2024-21626"), ("runc", "CVE-2025-52881"), ("Engine", "CVE-2026-42306")} <= named
    assert list(holes(NEW)) == []
    assert list(holes({"runc": "unknown"})) == []


@pytest.mark.parametrize(
    ("version", "is_open"),
    [
        ("1.1.12", True),
        ("1.2.7", True),
        ("1.2.8", False),
        ("1.3.2", True),
        ("1.3.3", False),
        ("1.4.0", False),
        ("2.0", False),
    ],
)
def test_a_hole_is_mended_in_each_line(version: str, is_open: bool) -> None:
    assert any("CVE-2025-31133" in hole.names for _, _, hole in holes({"runc": version})) is is_open


def test_a_warning_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    check(Client(OLD), "")
    warned = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 5
    assert "bring it up to date" in warned[0].getMessage()
    caplog.clear()
    check(Client(NEW), "")
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_runtime_that_the_engine_has_not_is_refused() -> None:
    with pytest.raises(SandboxUnavailable, match="SANDBOX_RUNTIME is 'runsc', and the engine has only runc"):
        check(Client(NEW), "runsc")
    assert check(Client(NEW, Runtimes={"runsc": {}}), "runsc") == frozenset()
    assert has_own_kernel("runsc")
    assert not has_own_kernel("")


def test_limits_that_an_engine_takes_and_does_not_keep() -> None:
    weak = Client(NEW, MemoryLimit=False, PidsLimit=False, CpuCfsQuota=False)
    assert check(weak, "") == {Setting.MEMORY, Setting.SWAP, Setting.PROCESSES, Setting.CPU}


def test_engines_that_are_confined_themselves() -> None:
    assert kind({"SecurityOptions": ["name=seccomp", "name=rootless"]}) == "rootless"
    assert kind({"SecurityOptions": ["name=userns"]}) == "userns"
    assert kind({}) == "rootful"
