"""What happens to a worker or to storage, and the repair that follows by itself."""

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

from tests.faults.conductor import Reached
from tests.faults.world import World

CUT_SECONDS = 0.3
MORE_THAN_THE_LEASE = 0.8
FREEZE_SECONDS = 10.0


class Breakage:
    """Each method is a Fault: it returns when the worker, if it still lives, may go on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._repairs: set[asyncio.Task[None]] = set()
        self.count = 0
        self._storage_is_down = False

    async def kill(self, reached: Reached) -> None:
        """`kill -9`; another process takes its place."""
        worker = self._world.workers[reached.worker]
        if worker.process is None or not worker.runs:
            return
        self._note("kill", reached)
        worker.process.kill()
        await asyncio.to_thread(worker.process.wait, 20)
        self._repair(self._world.start_worker(worker.name))

    async def pause(self, reached: Reached) -> None:
        """SIGSTOP for longer than the lease, then SIGCONT: it knows nothing of the time between."""
        worker = self._world.workers[reached.worker]
        if worker.process is None or not worker.runs or worker.stopped:
            return
        self._note("pause", reached)
        worker.stopped = True
        worker.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(self._world.lease_seconds + MORE_THAN_THE_LEASE)
        worker.process.send_signal(signal.SIGCONT)
        worker.stopped = False

    async def freeze(self, reached: Reached) -> None:
        """SIGSTOP until another owner writes. Raises TimeoutError where none comes within FREEZE_SECONDS."""
        worker = self._world.workers[reached.worker]
        assert worker.process is not None
        self._note("pause", reached)
        worker.stopped = True
        worker.process.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(FREEZE_SECONDS):
                await self._world.conductor.taken_over(reached.session, reached.worker)
        finally:
            worker.process.send_signal(signal.SIGCONT)
            worker.stopped = False

    async def cut(self, reached: Reached) -> None:
        """All its connections are reset: to the database, the sandbox, integrations, the model. New ones fail too."""
        self._note("cut", reached)
        proxies = self._world.workers[reached.worker].proxies.values()
        for proxy in proxies:
            proxy.cut()

        async def mend() -> None:
            await asyncio.sleep(CUT_SECONDS)
            for proxy in proxies:
                proxy.mend()

        self._repair(mend())

    async def unanswered(self, reached: Reached) -> None:
        """The next commit is made, and its answer is lost with the connection."""
        self._note("unanswered", reached)
        self._world.workers[reached.worker].proxies["postgres"].lose_answer_to(b"COMMIT")

    async def storage(self, reached: Reached) -> None:
        """Postgres crashes and recovers; Redis is killed and comes back empty."""
        if self._storage_is_down:
            return
        self._storage_is_down = True
        self._note("storage", reached)
        self._world.redis.kill()
        await asyncio.to_thread(self._world.postgres.crash)

        async def start() -> None:
            await asyncio.gather(asyncio.to_thread(self._world.postgres.start), self._world.redis.start())
            self._storage_is_down = False

        self._repair(start())

    async def redis(self, reached: Reached) -> None:
        """Redis is killed and comes back empty."""
        if self._storage_is_down:
            return
        self._note("redis", reached)
        self._world.redis.kill()
        self._repair(self._world.redis.start())

    async def sandbox(self, reached: Reached) -> None:
        """The sandbox service is killed and started again."""
        self._note("sandbox", reached)
        self._repair(self._world.restart_service("sandbox"))

    async def repaired(self) -> None:
        """Returns once everything runs again."""
        while self._repairs:
            await asyncio.gather(*self._repairs)

    def _note(self, what: str, reached: Reached) -> None:
        self.count += 1
        self._world.records.write("fault", what=what, worker=reached.worker, point=reached.point)

    def _repair(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._repairs.add(task)
        task.add_done_callback(self._repairs.discard)
