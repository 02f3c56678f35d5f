"""Looks at a sandbox from inside, once for each kind that is started: are the twelve settings in force?"""

import asyncio
import json
from collections import defaultdict
from functools import cache
from importlib.resources import files
from typing import Any

from services.rpc.logs import get_logger
from services.sandbox.domain.enclosure import Finding, Setting, broken, judge, lacks
from services.sandbox.domain.errors import EnclosureBroken, SandboxUnavailable
from services.sandbox.domain.models import Confinement, Sandbox
from services.sandbox.ports import Launcher

LOOK_SECONDS = 30.0
Kind = tuple[Confinement, str, bool]
log = get_logger(__name__)


@cache
def look_text() -> str:
    """What `python3 -c` is given."""
    return (files("services.sandbox") / "guest" / "look_around.py").read_text()


class Checkups:
    """What was found, by kind: the way to confine, the image, and whether its disk has a limit of its own."""

    def __init__(self) -> None:
        self._found: dict[Kind, tuple[Finding, ...]] = {}
        self._locks: defaultdict[Kind, asyncio.Lock] = defaultdict(asyncio.Lock)

    def findings(self, confinement: Confinement) -> tuple[Finding, ...]:
        """Of the last kind that was looked at; empty before the first."""
        return next((found for kind, found in reversed(self._found.items()) if kind[0] is confinement), ())

    async def check(self, launcher: Launcher, sandbox: Sandbox) -> None:
        """Looks, unless this kind was found in order before. Raises EnclosureBroken, SandboxUnavailable."""
        if launcher.confinement is Confinement.PROCESS:
            return
        expected = await launcher.expected(sandbox.body)
        kind = (launcher.confinement, sandbox.image, Setting.DISK not in expected.lacking)
        async with self._locks[kind]:
            if kind in self._found and not broken(self._found[kind], expected):
                return
            self._found.pop(kind, None)
            found = self._found[kind] = judge(await _look(launcher, sandbox), expected)
        about = {one.setting.value: one.found for one in found if one.holds}
        log.info("sandbox is closed off", extra={"by": kind[0].value, "lacks": lacks(expected), "settings": about})
        if missing := broken(found, expected):
            words = "; ".join(f"{one.setting.value}: {one.found}" for one in missing)
            log.error("sandbox is NOT closed off as it should be", extra={"by": kind[0].value, "broken": words})
            raise EnclosureBroken(f"{EnclosureBroken.default} Not in force: {words}.")


async def _look(launcher: Launcher, sandbox: Sandbox) -> dict[str, Any]:
    place = launcher.place(sandbox.sandbox_id)
    argv = [*place.python, "-I", "-S", "-c", look_text(), place.workspace, place.state, place.run]
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            attachment = await launcher.attach(sandbox, argv, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})
            said = b""
            try:
                while part := await attachment.read():
                    said += part
            finally:
                await attachment.close()
        facts: dict[str, Any] = json.loads(said)
    except (ValueError, OSError, TimeoutError) as error:
        raise SandboxUnavailable("The sandbox could not be looked at from inside.") from error
    return facts
