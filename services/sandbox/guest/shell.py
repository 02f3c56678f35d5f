"""A fresh bash for every command, with the working folder, exported variables, functions and aliases of the one before.

A shell that lives on dies of `exit`, `set -e`, `exec` and `kill $$`; a fresh one has nothing to lose.
"""
# ruff: noqa: PTH105, PTH110, PTH112, PTH118, PTH123

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence

from .processes import MARK

# $1 the folder of this command, $2 the state carried so far, $3 where to start. The text of the command is read from a
# file, so that `pkill -f` in it does not find its own shell. OOM: better one of our children than the helper.
# One line, so that bash counts the lines of the command from 1.
SAVE = r"""{ printf '%s\0' "$PWD"; declare -px; declare -f; alias -p; printf '\0'; }"""
OFFER = "{ echo 700 >/proc/self/oom_score_adj; } 2>/dev/null"
WRAPPER = "; ".join(
    (
        OFFER,
        "shopt -s expand_aliases",
        '[ ! -f "$2" ] || . "$2" 2>/dev/null',
        "__lucid_folder=$1",
        'cd -- "$3" || exit 1',
        "__lucid_save() { unset -f __lucid_save; " + SAVE + ' >"$__lucid_folder/carry" 2>/dev/null; }',
        "trap __lucid_save EXIT",
        "set --",
        'eval "$(<"$__lucid_folder/command")"',
    )
)
BASH = "/bin/bash"
# The same for a person's terminal, which leaves nothing behind: not even what was typed.
TERMINAL = r"""[ ! -f "$LUCID_CARRIED" ] || . "$LUCID_CARRIED" 2>/dev/null
unset LUCID_CARRIED HISTFILE PAGER GIT_PAGER
export TERM=xterm-256color COLORTERM=truecolor
alias ls='ls --color=auto' grep='grep --color=auto'
PS1='\[\e[1;34m\]\w\[\e[0m\] \$ '
"""
# $1 the terminal: the first one that the leader of a session opens is its own. Then the program.
ON_TERMINAL = OFFER + '; exec <>"$1" >&0 2>&1; shift; exec "$@"'
NOT_CARRIED = ("SHLVL=", "PWD=", "SHELLOPTS=", "BASHOPTS=", "LUCID_COMMAND=", "_=")


class Shell:
    """Knows where the next command starts and with which variables.

    `bash`: how one is started where the image has none.
    """

    def __init__(self, workspace: str, state: str, env: dict[str, str], bash: Sequence[str] = ()) -> None:
        self.workspace = workspace
        self._state = state
        self._carried = os.path.join(state, "carried.sh")
        self._cwd_file = os.path.join(state, "carried.cwd")
        self._bash = list(bash) if bash and not os.access(BASH, os.X_OK) else [BASH]
        self.env = env if os.path.exists(env.get("SHELL", BASH)) else {**env, "SHELL": "/bin/sh"}
        self._renew(os.path.join(state, "carried.env"))

    def _renew(self, path: str) -> None:
        """What the sandbox was started with may be other than the last time; what is carried must not hide that."""
        try:
            with open(path, encoding="utf-8") as file:
                before = json.load(file)
        except (OSError, ValueError):
            before = self.env
        changed = [name for name in {*before, *self.env} if before.get(name) != self.env.get(name)]
        lines = [
            f"export {name}={shlex.quote(self.env[name])}" if name in self.env else f"unset -v {name}"
            for name in changed
            if name.isidentifier()
        ]
        if lines and os.path.exists(self._carried):
            with open(self._carried, "a", encoding="utf-8", errors="surrogateescape") as file:
                file.write("\n" + "\n".join(lines) + "\n")
        self._replace(path, json.dumps(self.env).encode())

    def folder_of(self, key: str) -> str:
        """Where a command's text, output and state lie."""
        return os.path.join(self._state, "commands", key)

    def cwd(self, asked: str = "") -> str:
        """Where a command starts: as asked, else where the last one left off, else the workspace."""
        if asked:
            return os.path.normpath(os.path.join(self.workspace, asked))
        try:
            with open(self._cwd_file, "rb") as file:
                left = os.fsdecode(file.read())
        except OSError:
            return self.workspace
        return left if os.path.isdir(left) else self.workspace

    def argv(self, key: str, cwd: str) -> list[str]:
        """What to start."""
        return [*self._bash, "--noprofile", "--norc", "-c", WRAPPER, "bash", self.folder_of(key), self._carried, cwd]

    def environ(self, key: str) -> dict[str, str]:
        """The variables to start it with."""
        return {**self.env, MARK.decode().rstrip("="): key}

    def terminal(self, tty: str) -> list[str]:
        """What to start on a terminal."""
        rc = os.path.join(self._state, "terminal.rc")
        self._replace(rc, TERMINAL.encode())
        return ["/bin/sh", "-c", ON_TERMINAL, "sh", tty, *self._bash, "--noprofile", "--rcfile", rc, "-i"]

    def terminal_environ(self, mark: str) -> dict[str, str]:
        """The variables to start it with."""
        return {**self.environ(mark), "LUCID_CARRIED": self._carried}

    def absorb(self, key: str) -> str:
        """Takes over the state that a command left, if it left it whole. Returns where the next one starts."""
        try:
            with open(os.path.join(self.folder_of(key), "carry"), "rb") as file:
                cwd, body, rest = file.read().split(b"\0")
        except (OSError, ValueError):
            return self.cwd()
        if not rest:
            self._replace(self._carried, _without(body))
            self._replace(self._cwd_file, cwd)
        return self.cwd()

    def _replace(self, path: str, content: bytes) -> None:
        try:
            with open(path + ".new", "wb") as file:
                file.write(content)
            os.replace(path + ".new", path)
        except OSError:
            return


def _without(body: bytes) -> bytes:
    """The declarations but those that belong to one shell alone."""
    names = tuple(name.encode() for name in NOT_CARRIED)
    lines = []
    for line in body.split(b"\n"):
        words = line.split(b" ", 2)
        if len(words) == 3 and words[0] == b"declare" and words[1].startswith(b"-") and words[2].startswith(names):
            continue
        lines.append(line)
    return b"\n".join(lines)
