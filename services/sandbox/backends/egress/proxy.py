"""The egress proxy: a socket for each sandbox, the sandbox's policy behind it, and a word about every refusal."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from services.rpc.logs import get_logger
from services.sandbox.backends.doors import Doors
from services.sandbox.backends.egress.addresses import Resolve, system_look_up
from services.sandbox.backends.egress.limits import DEFAULT, Limits
from services.sandbox.backends.egress.refusal import Refused, Unreachable, answer
from services.sandbox.backends.egress.tunnel import Call, serve
from services.sandbox.domain.network import BlockedCall, BlockReason, NetworkPolicy

REPORT_SECONDS = 2.0
CLOSE_SECONDS = 5.0
Report = Callable[[int, BlockedCall], Awaitable[None]]
log = get_logger(__name__)


@dataclass
class _Door:
    """One sandbox's side. The policy is the one that it was opened with, whatever is set or said later."""

    sandbox_id: str
    policy: NetworkPolicy
    report: Report
    limits: Limits
    connections: int = 0
    refusals: int = 0
    window_ends: float = 0.0

    def is_flooded(self) -> bool:
        """Counts a refusal; whether there are too many."""
        now = asyncio.get_running_loop().time()
        if now > self.window_ends:
            self.refusals, self.window_ends = 0, now + self.limits.window
        self.refusals += 1
        return self.refusals > self.limits.refusals


class EgressProxy:
    """Listens on `egress.sock` of each sandbox. `resolve`: how names are looked up."""

    def __init__(self, resolve: Resolve = system_look_up, limits: Limits = DEFAULT) -> None:
        self._resolve = resolve
        self._limits = limits
        self._doors = Doors("egress.sock")

    async def open(self, sandbox_id: str, policy: NetworkPolicy, folder: Path, report: Report) -> None:
        """Nothing if it is open. `report` is told of refusals, with the forwarder's number of the connection."""
        door = _Door(sandbox_id, policy, report, self._limits)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            door.connections += 1
            try:
                await self._serve(door, Call(reader, writer, self._limits))
            finally:
                door.connections -= 1

        await self._doors.open(sandbox_id, folder, accept)

    async def close(self, sandbox_id: str) -> None:
        """Closes it and cuts what goes through it."""
        await self._doors.close(sandbox_id)

    async def stop(self) -> None:
        """Closes all."""
        await self._doors.stop()

    async def _serve(self, door: _Door, call: Call) -> None:
        try:
            if door.connections > door.limits.connections:
                raise Refused(BlockReason.TOO_MANY, status=503)
            await serve(call, door.policy, self._resolve)
        except Refused as refused:
            await _refuse(door, call, refused)
        except Unreachable as error:
            log.info("allowed host cannot be reached", extra={**_about(door, call), "cause": str(error)})
            call.writer.write(answer(502, f"{call.target.host if call.target else ''}: {error}"))
        except OSError as error:
            call.broken = repr(error)
        finally:
            if call.is_tunnel:
                counts = {"sent": call.sent, "received": call.received, "broken": call.broken}
                log.info("call went out", extra={**_about(door, call), **counts})
            await _close(call.writer)


async def _refuse(door: _Door, call: Call, refused: Refused) -> None:
    """Tells the log, the command and the caller, in this order: who asks afterwards finds it told."""
    host = refused.host or (call.target.host if call.target else "")
    port = refused.port or (call.target.port if call.target else 0)
    refused.host, refused.port = host, port
    if door.is_flooded():
        await asyncio.sleep(door.limits.slow)
    else:
        log.warning(
            "call blocked", extra={**_about(door, call), "host": host, "port": port, "why": refused.reason.value}
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPORT_SECONDS):
                await door.report(call.number, BlockedCall(host, port, refused.reason))
    call.refuse(refused, door.policy)


def _about(door: _Door, call: Call) -> dict[str, object]:
    about: dict[str, object] = {"sandbox_id": door.sandbox_id}
    return about if call.target is None else {**about, "host": call.target.host, "port": call.target.port}


async def _close(writer: asyncio.StreamWriter) -> None:
    """What was answered gets out first; a caller that does not read it is not waited for long."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.drain()
    writer.close()
