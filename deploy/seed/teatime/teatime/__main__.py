"""Counts down: `python3 -m teatime green` or `python3 -m teatime --for 3m20s`."""

import argparse
import sys
import time

from teatime.clock import format_time, parse_time
from teatime.teas import TEAS, find_tea


def main(arguments=None, sleep=time.sleep):
    """Runs the timer; returns the exit code."""
    parser = argparse.ArgumentParser(prog="teatime")
    parser.add_argument("tea", nargs="?", choices=sorted(TEAS))
    parser.add_argument("--for", dest="time", type=parse_time, help="such as 3m20s")
    chosen = parser.parse_args(arguments)
    if chosen.time is None and chosen.tea is None:
        parser.print_usage(sys.stderr)
        return 2
    seconds = chosen.time if chosen.time is not None else find_tea(chosen.tea).seconds
    for left in range(seconds, 0, -1):
        print(f"{format_time(left)} to go", flush=True)
        sleep(1)
    print("Tea is ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
