"""The set-up scripts: what they do on a machine that is not as they wish."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.house.tree import ROOT, code, read, written

SCRIPTS = [path for path in written() if path.startswith(("deploy/setup/", ".ci/")) and not path.endswith(".py")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the scripts and nothing else."""
    shutil.copytree(ROOT / "deploy/setup", tmp_path / "deploy/setup")
    return tmp_path


def bash(script: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    return subprocess.run(["bash", "-c", script], cwd=cwd, env=base | env, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_parses_and_stops_at_errors(script: str) -> None:
    assert subprocess.run(["bash", "-n", ROOT / script], check=False).returncode == 0
    if script.endswith("environment.sh"):
        return
    assert os.access(ROOT / script, os.X_OK), f"{script} is not executable"
    assert "set -euo pipefail" in read(script) or script == ".ci/run"


def test_ci_runs_the_command_of_the_readme() -> None:
    assert "make test" in read(".ci/run")
    assert "`make test`" in read("README.md")


def test_ci_ends_with_pytests_closing_line_and_its_exit_code(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "Makefile").write_text(
        "test:\n\t@echo CI=$$CI\n\t@echo '=== 1 failed, 12 passed in 3.21s ==='\n\t@echo later; exit 3\n"
    )
    run = bash(".ci/run", tmp_path)
    assert run.returncode == 2  # make's own for a failed recipe
    assert "CI=true" in run.stdout
    assert run.stdout.splitlines()[-1] == "=== 1 failed, 12 passed in 3.21s ==="


def test_ci_says_so_when_pytest_never_ran(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "Makefile").write_text("test:\n\t@false\n")
    run = bash(".ci/run", tmp_path)
    assert run.returncode != 0
    assert run.stdout.splitlines()[-1] == "make test ended before pytest did"


def test_exported_settings_win_over_the_file(checkout: Path) -> None:
    (checkout / ".env").write_text('# a comment\nPORT=9001\nHOST="0.0.0.0"\nDEFAULT_MODEL=a=b c\nnot a setting\n')
    run = bash(
        'source deploy/setup/environment.sh; echo "$PORT|$HOST|$DEFAULT_MODEL|$LUCID_DATA_DIR"', checkout, PORT="9002"
    )
    assert run.stdout.strip() == f"9002|0.0.0.0|a=b c|{checkout}/data"


def test_up_refuses_a_second_time_on_one_data_folder(checkout: Path) -> None:
    script = """
    mkdir data
    bash -c 'exec -a "python -m services x" sleep 20' & first=$!
    echo $first > data/up.pid
    while ! grep -q services /proc/$first/cmdline; do :; done
    deploy/setup/up.sh; code=$?
    kill $first; exit $code
    """
    run = bash(script, checkout)
    assert run.returncode == 1
    assert "already running" in run.stderr


def test_down_leaves_a_stranger_alone_that_has_the_old_number(checkout: Path) -> None:
    script = """
    mkdir data; sleep 20 & echo $! > data/up.pid
    deploy/setup/down.sh && kill -0 $! && kill $!
    """
    run = bash(script, checkout)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "not running"
    assert not (checkout / "data/up.pid").exists()


def test_down_ends_the_process_that_up_left(checkout: Path) -> None:
    script = """
    mkdir data
    bash -c 'exec -a "python -m services x" sleep 20' & first=$!
    echo $first > data/up.pid
    while ! grep -q services /proc/$first/cmdline; do :; done
    deploy/setup/down.sh; ! kill -0 $first 2>/dev/null
    """
    run = bash(script, checkout)
    assert run.returncode == 0, run.stderr
    assert "ended process" in run.stdout


def test_packages_that_are_there_need_no_rights(checkout: Path) -> None:
    run = bash("deploy/setup/packages.sh bash=bash /etc/passwd=base-passwd", checkout)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_a_missing_package_is_named_where_it_cannot_be_installed(checkout: Path) -> None:
    tools = checkout / "bin"
    tools.mkdir()
    for name in ("bash", "env"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name, script in {"apt-get": "exit 1", "id": "echo 1000", "sudo": "exit 1"}.items():
        (tools / name).write_text(f"#!{shutil.which('bash')}\n{script}\n")
        (tools / name).chmod(0o755)
    run = bash("deploy/setup/packages.sh no-such-program=bubblewrap", checkout, PATH=str(tools))
    assert run.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends bubblewrap" in run.stderr


def test_both_locks_agree() -> None:
    locks = [
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", read(lock), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]
    runtime, development = locks
    assert {
        name: (version, development.get(name)) for name, version in runtime.items() if development.get(name) != version
    } == {}


def test_the_page_is_locked() -> None:
    manifest = "services/gateway/web/package-lock.json"
    assert manifest in code(".json")
    assert '"resolved"' not in read(manifest), "the lock names download addresses"
