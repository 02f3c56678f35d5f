"""A session of the running product, saved as a person saves it, checks and replays with no server near."""

import asyncio
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, sign_in, turn_ended
from tests.grounds.product import Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def download(product: Product, session_id: str) -> tuple[bytes, str]:
    """The file, and the name it is saved under."""
    headers = {"Authorization": f"Bearer {sign_in(product)}"}
    request = urllib.request.Request(f"{product.base_url}/api/v1/sessions/{session_id}/export", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read(), str(answer.headers["Content-Disposition"])


def run(module: str, path: Path) -> tuple[int, str]:
    line = [sys.executable, "-m", f"services.sessions.{module}", str(path)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_a_demo_session_is_saved_checked_and_replayed(start_product: StartProduct, tmp_path: Path) -> None:
    product = start_product(env={"SANDBOX_BACKEND": "bubblewrap"})
    person = Person(product)
    session = await person.seeded()
    await person.follow(Viewer(session.session_id), turn_ended, patience=120)
    file, named = await asyncio.to_thread(download, product, session.session_id)
    assert named == f'attachment; filename="{session.session_id}.jsonl"'
    product.stop()
    path = tmp_path / "session.jsonl"
    path.write_bytes(file)
    code, words = await asyncio.to_thread(run, "verify", path)
    assert (code, words.startswith(f"OK {session.session_id}: ")) == (0, True), words
    code, words = await asyncio.to_thread(run, "replay", path)
    assert (code, words.startswith(f"SAME {session.session_id}: ")) == (0, True), words
