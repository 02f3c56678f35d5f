"""A repository can make git run programs. Nobody on this side runs git in the workspace; our git inside obeys none."""

import re
from pathlib import Path

import pytest

from tests.contract.launchers.conftest import Bench
from tests.contract.launchers.file_calls import ask, search

pytestmark = pytest.mark.asyncio(loop_scope="module")
VECTORS = [
    *("fsmonitor", "hooks-path", "post-index-change", "reference-transaction", "post-checkout", "pre-commit"),
    *("clean", "smudge", "process", "textconv", "diff-command", "diff-external", "attributes-file", "include"),
    *("ssh-command", "pager", "alias", "credential-helper", "upload-pack", "gpg-program", "editor"),
    *("sequence-editor", "merge-driver", "alternate-refs"),
]
CONFIG = """
[core]
  fsmonitor = {fsmonitor}
  attributesFile = /workspace/attributes
  sshCommand = {ssh-command}
  pager = {pager}
  editor = {editor}
  alternateRefsCommand = {alternate-refs}
[filter "c"]
  clean = {clean}; cat
  smudge = {smudge}; cat
[filter "p"]
  process = {process}
[filter "a"]
  clean = {attributes-file}; cat
[diff]
  external = {diff-external}
[diff "t"]
  textconv = {textconv}; cat
[diff "c"]
  command = {diff-command}
[merge "m"]
  driver = {merge-driver}
[alias]
  st = !{alias}
[credential]
  helper = !{credential-helper}
[remote "origin"]
  url = other
  uploadpack = {upload-pack}; git-upload-pack
[gpg]
  program = /workspace/poisoned/hooks/gpg
[commit]
  gpgSign = true
[sequence]
  editor = {sequence-editor}
[pager]
  log = {pager}
[include]
  path = ../included
"""
INCLUDED = """
[diff "i"]
  textconv = {include}; cat
[filter "i"]
  clean = {include}; cat
"""
ATTRIBUTES = "c.txt filter=c\np.txt filter=p\nt.txt diff=t\nd.txt diff=c\ni.txt filter=i diff=i\nm.txt merge=m\n"
# What the agent may do as it likes: here the traps are shown to be live.
OBEY = """
cd poisoned
git status; git add -A; git diff HEAD; git diff --no-ext-diff HEAD; git diff --no-ext-diff HEAD -- t.txt
git log -p --ext-diff
git -c diff.external= diff HEAD~
git commit -m x; git commit --amend; git st; git rebase -i HEAD; git checkout -- c.txt; git fetch origin
git checkout -b other; git fetch ssh://nowhere/x; echo url=http://nowhere/x | git credential fill
git -c merge.default=m merge -m x side; cd ../hooked && git add -A && git checkout -b other; git commit -m y
cd /workspace; true
"""


def planted(host: Path) -> dict[str, str]:
    """What each vector would run: it leaves a mark inside, and, wherever this path exists, outside."""
    return {name: f"sh -c 'mkdir -p /tmp/ran; touch /tmp/ran/{name} {host}/{name}; true'" for name in VECTORS}


def filled(text: str, marks: dict[str, str]) -> str:
    """A configuration with its values quoted: a semicolon would begin a comment."""
    for name, mark in marks.items():
        text = text.replace(f"{{{name}}}", mark)
    return re.sub(r"= (.*/tmp/ran.*)", r'= "\1"', text)


def poison(host: Path) -> str:
    """Makes the repositories."""
    marks = planted(host)
    hooks = {name: f"#!/bin/sh\n{marks[name]}\n" for name in VECTORS}
    config, included = (filled(text, marks) for text in (CONFIG, INCLUDED))
    files = {
        "/workspace/attributes": "a.txt filter=a\n",
        "poisoned/included": included,
        "poisoned/.gitattributes": ATTRIBUTES,
        "poisoned/hooks/pre-commit": hooks["hooks-path"],
        "poisoned/hooks/gpg": hooks["gpg-program"],
    }
    write = "\n".join(f"cat >{path} <<'EOF'\n{text}EOF" for path, text in files.items())
    letters = "x.txt y.txt a.txt c.txt p.txt t.txt d.txt i.txt m.txt"
    make = f"""
git init -q poisoned; git init -q hooked; git init -q other
for r in poisoned hooked other; do
  (cd $r; for f in {letters}; do echo one >$f; done; git add -A; git commit -qm first)
done
(cd poisoned; git checkout -qb side; echo side >m.txt; git commit -qam side
 git checkout -q -; echo mine >m.txt; git commit -qam mine)
mkdir -p poisoned/hooks
{write}
chmod +x poisoned/hooks/*
for f in {letters}; do echo two >>poisoned/$f; echo two >>hooked/$f; done
"""
    for name in ("post-index-change", "reference-transaction", "post-checkout", "pre-commit"):
        make += f"cat >hooked/.git/hooks/{name} <<'EOF'\n{hooks[name]}EOF\nchmod +x hooked/.git/hooks/{name}\n"
    return make + f"cat >>poisoned/.git/config <<'EOF'\n{config}  [core]\n  hooksPath = hooks\nEOF\ntrue"


async def look_at(bench: Bench, folder: str) -> None:
    """Every RPC that looks at the tree, or changes it."""
    first = await bench.snapshot(folder)
    await bench.edit(f"{folder}/c.txt", insert={"after_line": 0, "text": "three"})
    await bench.snapshot(folder, first.tree)
    await ask(bench, "ListTree", path=folder, include_hidden=True)
    await ask(bench, "StatFile", path=f"{folder}/.git/config", with_etag=True)
    await bench.read(f"{folder}/.git/config")
    await ask(bench, "DownloadFile", path=f"{folder}/t.txt")
    await search(bench, "one", path=folder, include_hidden=True)
    await ask(bench, "ExportArchive", path=folder)
    await ask(bench, "WriteFile", path=f"{folder}/p.txt", content=b"four\n")
    await ask(bench, "MoveFile", path=f"{folder}/x.txt", new_path=f"{folder}/z.txt")
    await ask(bench, "RemoveFile", path=f"{folder}/y.txt")
    await bench.snapshot(folder, first.tree)


async def test_no_rpc_makes_any_git_run_what_a_repository_says(shared: Bench, tmp_path: Path) -> None:
    made = await shared.run(poison(tmp_path))
    assert made.exit.exit_code == 0, made.output
    await shared.run("rm -rf /tmp/ran")
    for folder in ("poisoned", "hooked"):
        await look_at(shared, folder)
    assert (await shared.run("ls /tmp/ran 2>/dev/null")).output == b""
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240
    # The traps are live: the agent's own git falls into them, inside, and only there.
    await shared.run(OBEY, timeout_ms=60_000)
    sprung = set((await shared.run("ls /tmp/ran")).output.decode().split())
    assert sprung >= set(VECTORS) - HARD_TO_SPRING, sorted(set(VECTORS) - sprung)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240


# A terminal, or a network, would have to be there.
HARD_TO_SPRING = {"pager", "ssh-command", "alternate-refs", "sequence-editor", "smudge", "merge-driver"}
