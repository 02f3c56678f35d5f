"""Puts sandboxes to sleep and wakes them.

Each step is decided under the sandbox's lock, alone among all services of the data folder, and while nobody uses it;
whoever comes meanwhile waits, finds it asleep, and wakes it.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from datetime import datetime

from services.rpc.errors import LucidError
from services.rpc.logs import get_logger
from services.sandbox.backends.control import DOWN, ENDED, PAUSED, ControlSockets
from services.sandbox.backends.helper import Helper
from services.sandbox.backends.launchers import Launchers
from services.sandbox.backends.turns import Turns
from services.sandbox.backends.uses import Uses
from services.sandbox.domain.errors import SandboxInUse, SandboxUnavailable
from services.sandbox.domain.lifecycle import UP, Life, Look, Told, What
from services.sandbox.domain.models import Arrival, Sandbox
from services.sandbox.ports import Clock, Guest, Launcher, Lives, Stamp

NEW = frozenset({Life.NEW})
TICKS = 1  # of processor time between two looks that are no work, and one more for each second between them
LOOK_PAUSE = 0.05
log = get_logger(__name__)


class Member:
    """A sandbox that is connected. `workspace_id`: as its helper said."""

    def __init__(self, sandbox: Sandbox, helper: Helper, workspace_id: str) -> None:
        self.sandbox = sandbox
        self.helper = helper
        self.workspace_id = workspace_id


class Resting(ABC):
    """The part of a fleet that puts sandboxes to sleep and tells what became of them."""

    def __init__(self, launchers: Launchers, control: ControlSockets, lives: Lives, uses: Uses, clock: Clock) -> None:
        self._launchers = launchers
        self._control = control
        self._lives = lives
        self._uses = uses
        self._clock = clock
        self._turns = Turns()
        self._ticks: dict[str, tuple[int, float]] = {}
        uses.wake = self._wake

    @abstractmethod
    def _alive(self, sandbox_id: str) -> Member | None: ...

    @abstractmethod
    async def _reach(self, sandbox: Sandbox, booted: bool = False) -> bool: ...

    @abstractmethod
    async def _leave(self, sandbox_id: str) -> None: ...

    @abstractmethod
    async def _remove(self, launcher: Launcher, body: str, keep_workspace: bool) -> None: ...

    @abstractmethod
    def _member_in(self, body: str) -> Member | None: ...

    @abstractmethod
    def changed(self, sandbox: Sandbox) -> None:
        """See ports.Fleet."""

    @abstractmethod
    async def bring_up(self, sandbox: Sandbox) -> Arrival:
        """See ports.Fleet."""

    async def pause(self, sandbox: Sandbox, patience: float = 0.0) -> bool:
        """See ports.Fleet."""
        sandbox_id, body = sandbox.sandbox_id, sandbox.body
        async with self._turns.of(sandbox_id), self._control.alone(body), self._uses.alone(body, patience):
            if self._control.rest(body) == PAUSED:
                return True
            if not await self._reach(sandbox):
                return False
            await self._must_be_idle(sandbox_id, patience)
            # The mark comes first: if we die between the two, whoever comes finds it, and wakes what is awake.
            self._control.mark(body, PAUSED)
            if not await self._launchers.of(sandbox.confinement).pause(sandbox):
                self._control.mark(body, "")
                return False
            await self._lives.move(sandbox_id, UP, Life.PAUSED, self._clock.now(), Told(What.PAUSED))
        self.changed(sandbox)
        log.info("sandbox is paused", extra={"sandbox_id": sandbox_id})
        return True

    async def resume(self, sandbox: Sandbox) -> bool:
        """See ports.Fleet."""
        async with self._turns.of(sandbox.sandbox_id), self._control.alone(sandbox.body):
            return await self._resume(sandbox, Told(What.RESUMED))

    async def quiet_guest(self, sandbox: Sandbox) -> Guest:
        """See ports.Fleet."""
        sandbox_id = sandbox.sandbox_id
        async with self._turns.of(sandbox_id), self._control.alone(sandbox.body):
            await self._resume(sandbox, None)
            await self._reach(sandbox)
        if self._alive(sandbox_id) is None:
            await self.bring_up(sandbox)
        member = self._alive(sandbox_id)
        if member is None:
            raise SandboxUnavailable
        return member.helper

    async def must_be_idle(self, sandbox: Sandbox, patience: float) -> None:
        """See ports.Fleet."""
        sandbox_id = sandbox.sandbox_id
        async with self._turns.of(sandbox_id), self._control.alone(sandbox.body):
            if self._control.rest(sandbox.body) != PAUSED and await self._reach(sandbox):
                await self._must_be_idle(sandbox_id, patience)

    def touch(self, body: str) -> None:
        """See ports.Fleet."""
        self._uses.touch(body)

    def take_uses(self) -> dict[str, datetime]:
        """See ports.Fleet."""
        return self._uses.take_last()

    def stamp(self, body: str) -> Stamp:
        """See ports.Fleet."""
        return self._uses.stamp(body)

    async def hibernate(self, sandbox: Sandbox, stamp: Stamp | None, told: Told | None, patience: float = 0.0) -> bool:
        """See ports.Fleet."""
        sandbox_id, body = sandbox.sandbox_id, sandbox.body
        async with self._turns.of(sandbox_id), self._control.alone(body):
            if stamp is None:
                await self._put_away(sandbox)
            else:
                async with self._uses.alone(body, patience):
                    if self._control.rest(body) != PAUSED and await self._reach(sandbox):
                        await self._must_be_idle(sandbox_id, patience)
                    self._must_be_as_it_was(body, stamp)
                    await self._put_away(sandbox)
            moved = await self._lives.move(sandbox_id, UP | {Life.LOST}, Life.HIBERNATED, self._clock.now(), told)
        self.changed(sandbox)
        return moved is not None

    async def empty(self, sandbox: Sandbox, stamp: Stamp, told: Told) -> bool:
        """See ports.Fleet."""
        sandbox_id, body = sandbox.sandbox_id, sandbox.body
        async with self._turns.of(sandbox_id), self._control.alone(body), self._uses.alone(body):
            self._must_be_as_it_was(body, stamp)
            # Told first: files that are half gone must not be taken for those that were kept.
            was = UP | {Life.LOST, Life.HIBERNATED}
            if await self._lives.move(sandbox_id, was, Life.EMPTIED, self._clock.now(), told) is None:
                return False
            await self._put_away(sandbox, keep_workspace=False)
        self._uses.forget(body)
        self.changed(sandbox)
        return True

    async def _put_away(self, sandbox: Sandbox, keep_workspace: bool = True) -> None:
        """Ends what is left of it. Called by who holds its locks."""
        sandbox_id, body = sandbox.sandbox_id, sandbox.body
        if self._control.rest(body) != PAUSED:  # what is paused could not answer
            await self._reach(sandbox)
            if (member := self._alive(sandbox_id)) is not None:
                await member.helper.end()
        await self._leave(sandbox_id)
        await self._remove(self._launchers.of(sandbox.confinement), body, keep_workspace)
        self._ticks.pop(sandbox_id, None)

    def _must_be_as_it_was(self, body: str, stamp: Stamp) -> None:
        if self._uses.stamp(body) != stamp:
            raise SandboxInUse("The sandbox was used meanwhile.")

    async def _must_be_idle(self, sandbox_id: str, patience: float) -> None:
        """Raises SandboxInUse with what is at work. Where that cannot be told, it is not put to sleep."""
        until = asyncio.get_running_loop().time() + patience
        while reasons := await self._at_work(sandbox_id, strict=not patience):
            if asyncio.get_running_loop().time() >= until:
                raise SandboxInUse(f"The sandbox is in use: {', '.join(reasons)}.")
            await asyncio.sleep(LOOK_PAUSE)  # a command that has just ended is put away

    async def _at_work(self, sandbox_id: str, strict: bool) -> list[str]:
        member = self._alive(sandbox_id)
        if member is None:
            return []
        try:
            look = await member.helper.look()
        except LucidError:
            return ["what is at work in it cannot be told"]
        busy = strict and self._works(sandbox_id, look)
        return [*look.reasons, *(["a background process uses the processor"] if busy else [])]

    def _works(self, sandbox_id: str, look: Look) -> bool:
        """Also at the first look at what runs in the background: the next one can compare."""
        now = asyncio.get_running_loop().time()
        before = self._ticks.pop(sandbox_id, None)
        if not look.processes:
            return False
        self._ticks[sandbox_id] = look.ticks, now
        return before is None or look.ticks - before[0] > TICKS + now - before[1]

    async def _wake(self, body: str) -> None:
        """For those who come to use it; see Uses."""
        if self._control.rest(body) == PAUSED and (member := self._member_in(body)) is not None:
            await self.resume(member.sandbox)

    async def _resume(self, sandbox: Sandbox, told: Told | None) -> bool:
        """Whether it was paused, and goes on. Called by who holds its locks."""
        sandbox_id, body = sandbox.sandbox_id, sandbox.body
        if self._control.rest(body) != PAUSED:
            return False
        # Connected before it goes on: a helper that finds nobody there after a long time ends itself.
        waiting = await self._control.connect(body)
        try:
            is_there = await self._launchers.of(sandbox.confinement).resume(sandbox)
            self._control.mark(body, "")
            if not is_there:
                await self._leave(sandbox_id)
                return False
            await self._reach(sandbox)
        finally:
            if waiting is not None:
                await waiting.close()
        await self._lives.move(sandbox_id, frozenset({Life.PAUSED}), Life.AWAKE, self._clock.now(), told)
        self.changed(sandbox)
        return True

    async def _tell_loss(self, sandbox: Sandbox) -> None:
        """If it was up as far as anybody knew, and no service has ended it. Called by who holds its locks."""
        sandbox_id, rest = sandbox.sandbox_id, self._control.rest(sandbox.body)
        if rest == ENDED or await self._lives.life(sandbox_id) not in UP:
            return
        down = "it was ended with all others"
        reason = down if rest == DOWN else await self._launchers.of(sandbox.confinement).condition(sandbox)
        told = Told(What.LOST, reason=reason)
        if await self._lives.move(sandbox_id, UP, Life.LOST, self._clock.now(), told):
            self.changed(sandbox)
            log.warning("sandbox went away", extra={"sandbox_id": sandbox_id, "cause": reason})

    async def _tell_arrival(self, sandbox: Sandbox, arrival: Arrival, began: float, is_known: bool) -> None:
        """Of one with a new helper: READY for the first time, REBUILT later. Called by who holds its locks, once it is
        connected. `is_known`: its helper was replaced by us while nothing ran; there is nothing to tell."""
        told = self._arrived(sandbox, began, arrival.workspace_kept)
        if told is None:
            return
        if sandbox.workspace_id in ("", told.workspace_id) and (is_known or not arrival.created):
            # A new helper in the old place: that is told where the old one was missed.
            if not await self._move(sandbox, frozenset({Life.LOST}), told):
                await self._move(sandbox, frozenset(Life), None)
        elif not await self._move(sandbox, NEW, replace(told, what=What.READY)):
            await self._move(sandbox, frozenset(Life) - NEW, told)

    async def _tell_found(self, sandbox: Sandbox, began: float) -> None:
        """Of one that was up: made beforehand, or by somebody who died before he told. Nothing where its row knows.
        Called by who holds its lock."""
        told = self._arrived(sandbox, began, workspace_kept=True)
        if told is None or sandbox.life is Life.AWAKE:
            return
        ready = replace(told, what=What.READY, workspace_kept=False)
        away = frozenset({Life.LOST, Life.HIBERNATED, Life.EMPTIED})
        for was, words in ((NEW, ready), (frozenset({Life.PAUSED}), Told(What.RESUMED)), (away, told)):
            if await self._move(sandbox, was, words):
                return

    def _arrived(self, sandbox: Sandbox, began: float, workspace_kept: bool) -> Told | None:
        """What there is to tell of one that is up and somebody's."""
        member, known = self._alive(sandbox.sandbox_id), sandbox.workspace_id
        if member is None or not sandbox.session_id:
            return None
        return Told(
            What.REBUILT,
            workspace_kept=workspace_kept and known in ("", member.workspace_id),
            workspace_id=member.workspace_id,
            took_ms=int((asyncio.get_running_loop().time() - began) * 1000),
        )

    async def _move(self, sandbox: Sandbox, was: frozenset[Life], told: Told | None) -> bool:
        """It is awake; whether its life was one of those."""
        moved = await self._lives.move(sandbox.sandbox_id, was, Life.AWAKE, self._clock.now(), told)
        return moved is not None
