"""The search for the canary finds one that is planted: without this its silence would prove nothing."""

import base64
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from tests.grounds.canary import Canary, below, with_argument

DISGUISES: dict[str, Callable[[str], bytes]] = {
    "raw": lambda token: f"token={token};".encode(),
    "reversed": lambda token: token[::-1].encode(),
    "hex": lambda token: f"x{token}y".encode().hex().encode(),
    "HEX": lambda token: f"x{token}y".encode().hex().upper().encode(),
    "url": lambda token: "".join(f"%{ord(letter):02X}" for letter in token).encode(),
    "utf-16": lambda token: f"«{token}»".encode("utf-16-le"),
    "base64+0": lambda token: base64.b64encode(f"{token}:x".encode()),
    "base64+1": lambda token: base64.b64encode(f"u{token}:x".encode()),
    "base64+2": lambda token: base64.b64encode(f"uu{token}:x".encode()),
}
SLEEPER = "import sys, time; kept = sys.stdin.read()[::-1]; print('ready', flush=True); time.sleep(60)"


@pytest.mark.parametrize("disguise", DISGUISES)
def test_every_disguise_is_seen_through(disguise: str) -> None:
    canary = Canary()
    canary.look("text", b"\0\xff before " + DISGUISES[disguise](canary.token) + b" after")
    assert canary.found
    other = Canary()
    other.look("text", DISGUISES[disguise](canary.token) + quote_plus(canary.token).encode())
    assert other.found == []


def test_files_links_and_git_objects_are_read(tmp_path: Path) -> None:
    canary = Canary()
    (tmp_path / "objects" / "ab").mkdir(parents=True)
    (tmp_path / "objects" / "ab" / "cdef").write_bytes(zlib.compress(b"blob 5\0" + canary.token.encode()))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "config").write_text(f"url = https://x:{canary.token}@host/\n")
    (tmp_path / "link").symlink_to(f"/nowhere/{canary.token}")
    canary.look_at_folder(tmp_path)
    assert {place.partition(":")[0] for place in canary.found} == {"git object", "file", "link"}


@pytest.mark.parametrize("place", ["cmdline", "environ", "memory"])
def test_processes_are_read(place: str) -> None:
    canary = Canary()
    arguments = [canary.token] if place == "cmdline" else []
    env = {"TOKEN": canary.token} if place == "environ" else {}
    given = canary.token[::-1] if place == "memory" else "nothing"
    command = [sys.executable, "-c", SLEEPER, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True)
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(given)
        process.stdin.close()
        assert process.stdout.readline() == "ready\n"
        assert process.pid in below([process_id()])
        assert with_argument(canary.token) == ([process.pid] if arguments else [])
        canary.look_at_processes([process.pid], memory=place == "memory")
    finally:
        process.kill()
        process.wait()
    assert {found.partition(":")[0] for found in canary.found} == {place}


def process_id() -> int:
    return int(Path("/proc/self").resolve().name)
