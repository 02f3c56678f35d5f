"""A minute of the storm. The long one is `make storm`; STORM_SEED repeats a run's people and faults."""

import os
import random
import subprocess
import sys

import pytest

from tests.grounds.processes import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]
SECONDS = 60
# Half as many as in the long one: other tests want the machine too.
PEOPLE = 10
# How fast a takeover is, is measured where nothing else runs; here only that there is one.
LONGEST_TAKEOVER = 30


def test_people_lose_nothing_in_a_minute_of_storm() -> None:
    seed = os.environ.get("STORM_SEED") or str(random.SystemRandom().randrange(1, 1_000_000))
    limits = ["--seconds", str(SECONDS), "--people", str(PEOPLE), "--takeover", str(LONGEST_TAKEOVER)]
    command = [sys.executable, "-m", "tests.faults.storm", "--seed", seed, *limits]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, f"STORM_SEED={seed}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
