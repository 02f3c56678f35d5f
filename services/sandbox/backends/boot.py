"""Starts a helper: its sources and its greeting go down the pipes it was started with; then it needs them no more."""

import asyncio
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

from services.sandbox.backends import frames
from services.sandbox.domain.errors import GuestLost, SandboxUnavailable
from services.sandbox.ports import Attachment

BOOT_SECONDS = 30.0
ALONE = ("boot.py", "look_around.py")  # given to `python3 -c` as they are


@cache
def boot_text() -> str:
    """What `python3 -c` is given."""
    return (files("services.sandbox") / "guest" / "boot.py").read_text()


@cache
def bundle() -> bytes:
    """The helper's sources, with their length before them."""
    folder = files("services.sandbox") / "guest"
    sources = {
        "guest" if entry.name == "__init__.py" else f"guest.{entry.name[:-3]}": entry.read_text()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".py") and entry.name not in ALONE
    }
    text = json.dumps(sources).encode()
    return len(text).to_bytes(4, "big") + text


@cache
def build() -> str:
    """Tells our bundle from those of other versions."""
    return hashlib.sha256(bundle()[4:]).hexdigest()[:16]


async def boot(attachment: Attachment, hello: dict[str, Any]) -> dict[str, Any]:
    """The helper's answer, once it serves. Raises SandboxUnavailable."""
    parser = frames.Parser()
    try:
        async with asyncio.timeout(BOOT_SECONDS):
            await attachment.write(bundle() + frames.frame(1, frames.REQUEST, frames.pack(hello)))
            while data := await attachment.read():
                for _, _, payload in parser.feed(data):
                    greeting, _ = frames.unpack(payload)
                    return greeting
    except (GuestLost, OSError, ValueError, TimeoutError) as error:
        raise SandboxUnavailable("The sandbox's helper does not start.") from error
    raise SandboxUnavailable("The sandbox's helper does not start.")
