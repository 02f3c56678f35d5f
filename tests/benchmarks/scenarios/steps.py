"""A step of the agent: durable call, `true` in a real sandbox, look for changes, durable result (P6)."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.ground import Ground, fresh_id
from tests.benchmarks.machine import cpu_seconds, sandbox_cpu_seconds
from tests.benchmarks.role import play
from tests.benchmarks.scripted_model import marker
from tests.benchmarks.table import Row, from_samples, median

SHORT, LONG = 50, 500
REPETITIONS, LONG_REPETITIONS = 3, 2
# Steps around a place, whose median stands for it.
AROUND = 10
# 15 ms over the bare step's 0.35, 6 ms CPU over its 0.45.
WALL_GOAL, CPU_GOAL, GROWTH_GOAL = 43.0, 13.0, 1.3


@dataclass
class _Side:
    """Milliseconds per step; `early` and `late`: around step 50 and at the end of a session of 500."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    below: list[float] = field(default_factory=list)
    early: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


async def run(ground: Ground) -> list[Row]:
    short, long, bare = _Side(), _Side(), _Side()
    for number in range(REPETITIONS):
        await _bare(ground, SHORT, bare)
        await _product(ground, SHORT, short)
        if number < LONG_REPETITIONS:
            await _product(ground, LONG, long)
    step, against = "step, beyond the model", "bare step"
    return [
        from_samples("P6", f"wall per {step}, {SHORT} steps", short.wall, bare.wall, "ms", against, WALL_GOAL),
        from_samples("P6", f"wall per {step}, {LONG} steps", long.wall, bare.wall, "ms", against),
        from_samples("P6", f"server CPU per step, {SHORT} steps", short.cpu, bare.cpu, "ms", against, CPU_GOAL),
        from_samples("P6", f"server CPU per step, {LONG} steps", long.cpu, bare.cpu, "ms", against),
        from_samples("P6", "  … and in the sandbox", short.below, bare.cpu, "ms", against),
        from_samples("P6", f"wall of step {LONG}", long.late, long.early, "ms", f"step {SHORT}", GROWTH_GOAL),
        from_samples(
            "P6", f"server CPU per step, {LONG} steps", long.cpu, short.cpu, "ms", f"{SHORT} steps", GROWTH_GOAL
        ),
    ]


async def _product(ground: Ground, steps: int, side: _Side) -> None:
    session = await ground.ready_session()
    cid, own, below = fresh_id(), cpu_seconds(ground.pid), sandbox_cpu_seconds(ground.product.folder, ground.pid)
    await ground.turn(session, marker("steps", steps, cid))
    side.cpu.append((cpu_seconds(ground.pid) - own) / steps * 1e3)
    side.below.append((sandbox_cpu_seconds(ground.product.folder, ground.pid) - below) / steps * 1e3)
    _add_wall(await ground.model.pauses(cid), steps, side)


async def _bare(ground: Ground, steps: int, side: _Side) -> None:
    cid = fresh_id()
    with tempfile.TemporaryDirectory() as folder:
        job = {"model_url": ground.model.url, "steps": steps, "cid": cid, "database": str(Path(folder) / "bare.db")}
        side.cpu.append((await play("bare_steps", **job))["cpu"] / steps * 1e3)
    _add_wall(await ground.model.pauses(cid), steps, side)


def _add_wall(pauses: list[float], steps: int, side: _Side) -> None:
    """Raises ValueError where steps are missing."""
    if len(pauses) != steps:
        raise ValueError(f"{len(pauses)} of {steps} steps were made")
    walls = [pause * 1e3 for pause in pauses]
    side.wall.append(median(walls))
    side.early.append(median(walls[SHORT - AROUND : SHORT + AROUND]))
    side.late.append(median(walls[-2 * AROUND :]))
