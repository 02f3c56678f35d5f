"""`python -m tests.benchmarks [scenario …]`: measures, prints the table, writes test-results/benchmarks.json.

A goal that is not met is a finding, not a failure: the exit code is 1 only where something could not be measured.
"""

import asyncio
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.benchmarks import machine
from tests.benchmarks.ground import Ground, ground
from tests.benchmarks.role import ROOT
from tests.benchmarks.scenarios import (
    apart,
    bombs,
    command,
    create,
    crowd,
    egress,
    inside,
    resume,
    sandboxes,
    snapshots,
    start,
    starts,
    steps,
    tokens,
)
from tests.benchmarks.table import Row, render

RESULTS = ROOT / "test-results" / "benchmarks.json"
ALONE: dict[str, Callable[[], Awaitable[list[Row]]]] = {
    "start": start.run,
    "command": command.run,
    "inside": inside.run,
    "snapshots": snapshots.run,
    "apart": apart.run,
    "egress": egress.run,
    "sandboxes": sandboxes.run,
    "starts": starts.run,
    "bombs": bombs.run,
}
# In this order: the first one wants a product that has done nothing yet.
ON_GROUND: dict[str, Callable[[Ground], Awaitable[list[Row]]]] = {
    "tokens": tokens.run,
    "crowd": crowd.run,
    "create": create.run,
    "steps": steps.run,
    "resume": resume.run,
}
NAMES = (*ALONE, *ON_GROUND)


class Report:
    """Rows as they come, and what could not be measured."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.failed: list[str] = []
        self._began = time.monotonic()

    async def measure(self, name: str, scenario: Callable[[], Awaitable[list[Row]]]) -> None:
        """Runs one scenario; its failure does not keep the others from being measured."""
        self._say(f"{name} …")
        try:
            self.rows += await scenario()
        except Exception:
            traceback.print_exc()
            self.failed.append(name)

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:5.0f} s  {text}", file=sys.stderr, flush=True)


async def main(chosen: list[str]) -> int:
    facts: dict[str, Any] = {
        "python": platform.python_version(), "kernel": platform.release(), "cores": os.cpu_count(),
        "load_before": machine.load(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }  # fmt: skip
    report = Report()
    for name in [name for name in ALONE if name in chosen]:
        await report.measure(name, ALONE[name])
    grounded = [name for name in ON_GROUND if name in chosen]
    if grounded:
        async with ground("bubblewrap") as standing:
            for name in grounded:
                await report.measure(name, lambda name=name: ON_GROUND[name](standing))  # type: ignore[misc]
    _write(report, facts, RESULTS)
    print(render(report.rows))
    print(f"\nMedians of repetitions in turns; {facts['cores']} cores, load before {facts['load_before']:.1f}.")
    if report.failed:
        print(f"Could not be measured: {', '.join(report.failed)} (above).")
    return 1 if report.failed else 0


def _write(report: Report, facts: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    content = {"facts": facts, "failed": report.failed, "rows": [row.record() for row in report.rows]}
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    unknown = [name for name in sys.argv[1:] if name not in NAMES]
    if unknown:
        sys.exit(f"No scenario {', '.join(unknown)}; there are {', '.join(NAMES)}.")
    sys.exit(asyncio.run(main(sys.argv[1:] or list(NAMES))))
