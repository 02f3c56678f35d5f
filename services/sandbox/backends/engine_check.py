"""What kind of engine it is: versions with known holes, the runtime that was asked for, limits that it cannot give.

A version is all that an engine tells. Distributions mend holes without a new number, so an old one is a warning.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from services.rpc.logs import get_logger
from services.sandbox.domain.enclosure import Setting
from services.sandbox.domain.errors import SandboxUnavailable

OWN_KERNEL = ("runsc", "kata")
RUNTIME_HELP = "https://docs.docker.com/engine/daemon/alternative-runtimes/"
log = get_logger(__name__)
Version = tuple[int, ...]


@dataclass(frozen=True)
class Hole:
    """`mended`: the first good version of each line, lowest first; lines above the last are good from their start."""

    part: str
    mended: tuple[Version, ...]
    names: tuple[str, ...]
    source: str


HOLES = (
    Hole("runc", ((1, 1, 12),), ("CVE-2024-21626",), "GHSA-xr7r-f8xq-vfvv"),
    Hole(
        "runc",
        ((1, 2, 8), (1, 3, 3), (1, 4)),
        ("CVE-2025-31133", "CVE-2025-52565", "CVE-2025-52881"),
        "GHSA-9493-h29p-rfm2, GHSA-qw9x-cqr3-wc7r, GHSA-cgrx-mc8f-2prm",
    ),
    Hole("containerd", ((1, 7, 29), (2, 0, 7), (2, 1, 5), (2, 2)), ("CVE-2024-25621",), "GHSA-pwhc-rpq9-4c8w"),
    Hole("Engine", ((25, 0, 6), (26, 1, 5), (27, 1, 1)), ("CVE-2024-41110",), "GHSA-v23v-6jw2-98fq"),
    Hole(
        "Engine",
        ((29, 5, 1),),
        ("CVE-2026-41567", "CVE-2026-41568", "CVE-2026-42306"),
        "GHSA-x86f-5xw2-fm2r, GHSA-vp62-88p7-qqf5, GHSA-rg2x-37c3-w2rh",
    ),
)


def check(client: Any, runtime: str) -> frozenset[Setting]:
    """Which limits this engine cannot give. Logs what is wrong with it. Raises SandboxUnavailable for the runtime."""
    info, version = client.info(), client.version()
    if runtime and runtime not in info.get("Runtimes", {}):
        known = ", ".join(sorted(info.get("Runtimes", {})))
        text = f"SANDBOX_RUNTIME is {runtime!r}, and the engine has only {known}. How to add one: {RUNTIME_HELP}"
        raise SandboxUnavailable(text)
    for part, found, hole in holes(versions(version)):
        about = {"part": part, "version": found, "holes": hole.names, "source": hole.source}
        log.warning(
            "the container engine is old; bring it up to date unless your distribution has mended it", extra=about
        )
    log.info("container engine", extra={"kind": kind(info), "runtime": runtime or info.get("DefaultRuntime")})
    return frozenset(_lacking(info))


def versions(answer: Mapping[str, Any]) -> dict[str, str]:
    """Of the engine and its parts, as they name themselves."""
    return {part["Name"]: part["Version"] for part in answer.get("Components") or ()}


def holes(found: Mapping[str, str]) -> Iterator[tuple[str, str, Hole]]:
    """The parts that are older than what mended a hole."""
    for hole in HOLES:
        version = found.get(hole.part, "")
        if _numbers(version) and not _is_mended(_numbers(version), hole.mended):
            yield hole.part, version, hole


def kind(info: Mapping[str, Any]) -> str:
    """How the engine itself is confined; "rootless" and "userns" mean that root inside is nobody outside."""
    options = " ".join(info.get("SecurityOptions") or ())
    return next((name for name in ("rootless", "userns") if f"name={name}" in options), "rootful")


def has_own_kernel(runtime: str) -> bool:
    """Whether its containers see another kernel than the machine's, whose filters are not to be seen."""
    return runtime.startswith(OWN_KERNEL)


def _lacking(info: Mapping[str, Any]) -> Iterator[Setting]:
    """A rootless engine on version 1 control groups, for instance, takes limits and does not keep them."""
    for name, setting in (
        ("MemoryLimit", Setting.MEMORY),
        ("PidsLimit", Setting.PROCESSES),
        ("CpuCfsQuota", Setting.CPU),
    ):
        if not info.get(name, info.get(name.upper(), True)):
            yield setting
    if not info.get("SwapLimit", True) or not info.get("MemoryLimit", True):
        yield Setting.SWAP


def _numbers(text: str) -> Version:
    found = re.match(r"v?(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _is_mended(version: Version, mended: tuple[Version, ...]) -> bool:
    """At least the good version of its own line (the first two numbers), or than all lines."""
    own = next((good for good in mended if len(good) > 2 and good[:2] == version[:2]), mended[-1])
    return version >= own
