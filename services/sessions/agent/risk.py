"""Which of the agent's calls a person would want to be asked about first: what cannot be undone, or reaches beyond the
sandbox.

It reads the text of a command as a person would, by its words, and errs to asking: a word in quotes counts too. It is a
help, not a wall. A command can always be written so that it is not recognised; what it can do then is bounded by the
sandbox and the git gate, which trust no text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lucid.sessions.v1.event_pb2 import ApprovalRequested

LOW, MEDIUM, HIGH = ApprovalRequested.RISK_LOW, ApprovalRequested.RISK_MEDIUM, ApprovalRequested.RISK_HIGH
COMMAND, PUSH = ApprovalRequested.KIND_COMMAND, ApprovalRequested.KIND_PUSH
NETWORK, WORKFLOW = ApprovalRequested.KIND_NETWORK, ApprovalRequested.KIND_WORKFLOW_FILES

LONGEST_READ = 20_000


@dataclass(frozen=True)
class Danger:
    """One reason to ask. `why` completes the sentence "It …"."""

    kind: ApprovalRequested.Kind.ValueType
    risk: ApprovalRequested.Risk.ValueType
    why: str


# Within one simple command, up to what ends it; or within one line. Bounded, so that no text is long to read.
_REST, _LINE = r"[^;&|\n]{0,200}?", r"[^\n]{0,300}?"
_CALLED = r"(?:sudo\s+)?(?:/bin/|/usr/bin/)?(?:env\s+)?"
_SHELL = rf"{_CALLED}(?:ba|z|da|k|a)?sh\b"
_INTERPRETER = rf"(?:{_SHELL}|{_CALLED}(?:python[\d.]*|perl|ruby|node|php)\b)"
_FETCH = r"\b(?:curl|wget|fetch|aria2c)\b"
_CI = (
    r"\.github/(?:workflows|actions)|\.gitlab-ci\.ya?ml|\.circleci/|\bJenkinsfile\b|azure-pipelines\.ya?ml|"
    r"\.travis\.yml"
)
_WRITES = (
    rf">|\b(?:tee|cp|mv|rm|ln|install|rsync|patch|dd|truncate)\b|\bsed\b{_REST}\s-\S*i|"
    rf"\bgit\s+(?:apply|rm|mv|restore|checkout)\b|{_INTERPRETER}"
)
_PUBLISH = (
    r"(?:npm|yarn|pnpm|cargo|poetry|flit|uv|hatch)\s+publish|twine\s+upload|gem\s+push|docker\s+push|mvn\s+deploy|"
    r"gh\s+(?:pr|release|repo|api|workflow)|glab\s+(?:mr|release|api)|terraform\s+(?:apply|destroy)|"
    r"kubectl\s+(?:apply|delete|create|scale)|helm\s+(?:install|upgrade|uninstall)"
)
_RULES: tuple[tuple[str, Danger], ...] = tuple(
    (pattern, Danger(kind, risk, why))
    for pattern, kind, risk, why in (
        (rf"\bgit\b{_REST}\bpush\b", PUSH, MEDIUM, "pushes commits"),
        (
            rf"\bgit\b{_REST}\bpush\b{_REST}\s(?:--force|-\w*f\b|--mirror|--delete|--prune|-\w*d\b|\+\S|:\S)",
            PUSH,
            HIGH,
            "pushes with force, or deletes a branch, so that commits of others can be lost",
        ),
        (rf"\bgit\b{_REST}\bremote\s+(?:add|set-url)\b", PUSH, MEDIUM, "changes where pushes go"),
        (
            rf"\bgit\b{_REST}\b(?:reset\s+{_REST}--hard|clean\s+{_REST}-\w*[fdx]|stash\s+(?:drop|clear)|branch\s+{_REST}-D\b|"
            r"filter-branch|filter-repo|reflog\s+(?:expire|delete)|update-ref\s+-d|checkout\s+(?:--\s+)?\.|restore\s+\.)",
            COMMAND,
            MEDIUM,
            "throws away changes or commits",
        ),
        (rf"{_FETCH}{_LINE}\|\s*{_INTERPRETER}", NETWORK, HIGH, "runs what it downloads"),
        (rf"{_INTERPRETER}{_LINE}(?:<\(|\$\(|`)\s*{_FETCH}", NETWORK, HIGH, "runs what it downloads"),
        (rf"\beval\b{_LINE}(?:\$\(|`)\s*{_FETCH}", NETWORK, HIGH, "runs what it downloads"),
        (rf"\|\s*{_SHELL}", COMMAND, MEDIUM, "runs a text that is made on the way"),
        (
            rf"\bcurl\b{_REST}\s(?:-\w*[dFT]\b|--data|--form|--upload-file|--json|-X\s*(?:POST|PUT|PATCH|DELETE))",
            NETWORK,
            MEDIUM,
            "sends data out",
        ),
        (rf"\bwget\b{_REST}\s--(?:post|body|method)", NETWORK, MEDIUM, "sends data out"),
        (r"\b(?:scp|sftp|ssh|ftp|telnet|ncat|netcat|nc)\s+\S", NETWORK, MEDIUM, "talks to another machine"),
        (rf"\brsync\b{_REST}\s\S+:", NETWORK, MEDIUM, "talks to another machine"),
        (rf"\b(?:{_PUBLISH})\b", COMMAND, HIGH, "publishes or deploys"),
        (
            rf"(?:{_WRITES}){_LINE}(?:{_CI})",
            WORKFLOW,
            HIGH,
            "may change CI files, which run with the repository's secrets",
        ),
        (rf"(?:{_CI}){_LINE}>", WORKFLOW, HIGH, "may change CI files, which run with the repository's secrets"),
        (rf"\bfind\b{_REST}\s-(?:delete\b|exec\w*\s+\S*rm\b)", COMMAND, HIGH, "deletes many files"),
        (rf"\bxargs\b{_LINE}\brm\b", COMMAND, HIGH, "deletes many files"),
        (rf"\b(?:shred|mkfs\S*|fdisk|wipefs|blkdiscard)\s|\bdd\b{_LINE}\bof=/dev/", COMMAND, HIGH, "destroys data"),
        (r">\s*/dev/(?:sd|nvme|vd|xvd|mmcblk)", COMMAND, HIGH, "destroys data"),
        (
            r"(?i)\b(?:drop\s+(?:database|table|schema)|truncate\s+table)\b|\bdropdb\b",
            COMMAND,
            HIGH,
            "deletes a database",
        ),
        (
            rf"\bch(?:mod|own)\b{_REST}\s(?:-\w*R\w*|--recursive)\b{_REST}\s[/~]",
            COMMAND,
            HIGH,
            "changes who may do what outside",
        ),
        (r"\b(?:sudo|su|doas)\s", COMMAND, HIGH, "asks for another user's rights"),
        (r"\b(?:shutdown|reboot|halt|poweroff)\b|\bsystemctl\s|\bcrontab\s", COMMAND, HIGH, "changes the machine"),
        (r"\b(?:pkill|killall)\s|\bkill\s+(?:-\S+\s+)?-1\b", COMMAND, MEDIUM, "ends programs by name"),
        (
            r"(?:>|\btee\s(?:-a\s)?)\s*(?:~|/(?!dev/(?:null|stdout|stderr|tty)\b|tmp/|workspace/))\S",
            COMMAND,
            MEDIUM,
            "writes outside of the workspace",
        ),
    )
)
_COMPILED = tuple((re.compile(pattern), danger) for pattern, danger in _RULES)
_REMOVE = re.compile(r"\brm\s+([^;&|\n]*)")
_CI_PATH = re.compile(_CI)
# Folders that a build makes again.
_BUILT = re.compile(
    r"node_modules|dist|build|out|target|coverage|htmlcov|\.next|\.nuxt|\.cache|\.parcel-cache|\.turbo|__pycache__|"
    r"\.pytest_cache|\.mypy_cache|\.ruff_cache|\.tox|\.nox|\.venv|venv|\.eggs|.*\.egg-info|\.gradle|bin|obj|tmp"
)
_DELETES = Danger(COMMAND, HIGH, "deletes folders that no build makes again")


def of_command(command: str) -> tuple[Danger, ...]:
    """What a command could do, worst first; empty where nothing speaks against it."""
    if len(command) > LONGEST_READ:
        return (Danger(COMMAND, MEDIUM, "is too long to be looked through"),)
    # A line that goes on in the next one is one line.
    text = command.replace("\\\n", " ")
    found = {danger: None for pattern, danger in _COMPILED if pattern.search(text)}
    if any(_deletes(arguments) for arguments in _REMOVE.findall(text)):
        found[_DELETES] = None
    return tuple(sorted(found, key=lambda danger: -danger.risk))


def of_edit(path: str) -> tuple[Danger, ...]:
    """What changing a file could do."""
    if _CI_PATH.search(path):
        return (Danger(WORKFLOW, HIGH, "changes a CI file, which runs with the repository's secrets"),)
    return ()


def of_call(tool: str, args: Mapping[str, Any]) -> tuple[Danger, ...]:
    """What a call of one of the agent's tools could do."""
    match tool:
        case "run_command":
            return of_command(str(args.get("command", "")))
        case "edit_file":
            return of_edit(str(args.get("path", "")))
        case "open_pull_request":
            return (Danger(ApprovalRequested.KIND_PULL_REQUEST, MEDIUM, "opens a pull request that others see"),)
    return ()


def _deletes(arguments: str) -> bool:
    words = arguments.replace('"', "").replace("'", "").split()
    flags = [word for word in words if word.startswith("-")]
    if not any(flag == "--recursive" or (not flag.startswith("--") and re.search("[rR]", flag)) for flag in flags):
        return False
    return not all(_is_built(word) for word in words if not word.startswith(("-", "2>", ">")))


def _is_built(path: str) -> bool:
    """A folder of the workspace that a build makes, or something in /tmp."""
    if ".." in path or "$" in path or "`" in path:
        return False
    parts = path.removeprefix("/workspace/").removeprefix("./").rstrip("/").split("/")
    if parts[0] == "":
        return len(parts) > 2 and parts[1] == "tmp" and parts[2] not in ("", "*")
    return any(_BUILT.fullmatch(part) for part in parts) and parts[0] != "~"
