"""The page's own tests are part of the one run. (Lint and types are part of `make lint` and `make types`.)"""

import os
import subprocess

import pytest

from tests.unit.house.tree import ROOT


@pytest.mark.timeout(300)
def test_page() -> None:
    run = subprocess.run(
        ["npm", "run", "--silent", "test"],
        cwd=ROOT / "services/gateway/web",
        env=os.environ | {"NO_COLOR": "1", "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
