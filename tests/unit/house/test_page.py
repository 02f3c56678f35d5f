"""The page's own types and tests are part of the one run. (Its lint is part of `make lint`, with Python's.)"""

import os
import subprocess

import pytest

from tests.unit.house.tree import ROOT


@pytest.mark.timeout(300)
@pytest.mark.parametrize("check", ["types", "test"])
def test_page(check: str) -> None:
    run = subprocess.run(
        ["npm", "run", "--silent", check],
        cwd=ROOT / "services/gateway/web",
        env=os.environ | {"NO_COLOR": "1", "CI": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"{run.stdout[-6000:]}\n{run.stderr[-2000:]}"
