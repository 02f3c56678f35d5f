"""`python -m tests.faults.checker RECORDS LOG`: every rule on every session; exit code 1 if one is broken."""

import argparse
import sys
from pathlib import Path

from tests.faults.checker.verdict import judge


def main() -> int:
    """Prints what is wrong, then one line of figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.checker")
    parser.add_argument("records", type=Path, help="folder of JSON lines that clients, workers and the world have left")
    parser.add_argument("log", type=Path, help="the exported logs as JSON lines")
    parser.add_argument("--takeover", type=float, default=6.0, help="longest takeover in seconds, 99 of 100")
    given = parser.parse_args()
    verdict = judge(given.records, given.log, given.takeover)
    for broken in verdict.broken:
        sys.stdout.write(f"BROKEN {broken}\n")
    sys.stdout.write(f"{verdict.summary}\n")
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
