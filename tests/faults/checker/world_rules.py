"""What the world has counted, and who wrote when."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from lucid.sessions.v1.event_pb2 import CommandCompleted

from tests.faults.checker.history import History, Line

# What comes late from an owner that did not hear of the deletion is removed after a minute.
ORPHAN_SECONDS = 90.0
STORAGE_SECONDS = 3.0
MARK = re.compile(r"echo (\S+) >> /workspace/marks")


def commands(history: History) -> Iterator[str]:
    """A command runs at most once; one whose end is in the log has run."""
    for line in {line["session"]: line for line in history.lines["marks"]}.values():
        runs: Counter[str] = Counter(line["marks"])
        for mark, times in runs.items():
            if times > 1:
                yield f"{line['session']}: the command of {mark} ran {times} times"
        for mark in _ended(history, line["session"]):
            if not runs[mark]:
                yield f"{line['session']}: the command of {mark} has ended in the log and never ran"


def _ended(history: History, session: str) -> Iterator[str]:
    log = history.logs[session]
    exited = {
        one.event.item_id
        for one in log
        if one.kind == "command_completed" and one.event.command_completed.reason == CommandCompleted.REASON_EXITED
    }
    for one in log:
        if one.kind == "command_started" and one.event.item_id in exited:
            yield from MARK.findall(one.event.command_started.command)


def pull_requests(history: History) -> Iterator[str]:
    """At most one pull request per branch, whoever asked how often."""
    for line in history.lines["pulls"][-1:]:
        for (repository, branch), times in Counter(map(tuple, line["pulls"])).items():
            if times > 1:
                yield f"{repository} has {times} pull requests of {branch}"


def sandboxes(history: History) -> Iterator[str]:
    """No sandbox runs whose session has been gone for a while."""
    for line in history.lines["sandboxes"][-1:]:
        for sandbox in set(line["running"]) - set(line["known"]):
            if line["gone"].get(sandbox, ORPHAN_SECONDS) >= ORPHAN_SECONDS:
                yield f"sandbox {sandbox} runs without a session"


def fence(history: History) -> Iterator[str]:
    """Once an owner has written, none before it writes again."""
    writers: dict[str, dict[int, int]] = defaultdict(dict)
    for line in history.lines["append"]:
        of_session = writers[line["session"]]
        for seq in line["seqs"]:
            # A repeat under a key is answered with the event that an owner before had stored.
            of_session[seq] = min(of_session.get(seq, line["lease"]), line["lease"])
    for session, by_seq in writers.items():
        highest = 0
        for seq, lease in sorted(by_seq.items()):
            if lease < highest:
                yield f"{session}: owner {lease} wrote {seq} after owner {highest} had written"
            highest = max(highest, lease)


def takeovers(history: History) -> tuple[list[float], list[float]]:
    """Seconds from the end of each owner to the first act of the next, for the sessions that it held.

    Those first that nothing else disturbed, then those where another fault fell into the time: storage was away, or
    the next owner was hit too, or one that had claimed the session before it.
    """
    acts: dict[str, list[Line]] = defaultdict(list)
    for kind in ("claim", "release", "append", "run"):
        for line in history.lines[kind]:
            acts[line["session"]].append(line)
    calm: list[float] = []
    disturbed: list[float] = []
    for lines in acts.values():
        lines.sort(key=lambda line: float(line["at"]))
        for fault in history.lines["fault"]:
            act = _first_act(lines, fault) if fault["what"] in ("kill", "pause") else None
            if act is not None:
                gap = float(act["at"] - fault["at"])
                between = {line["worker"] for line in lines if fault["at"] < line["at"] <= act["at"]}
                hit = _is_disturbed(history, fault, act, between | {fault["worker"]})
                (disturbed if hit else calm).append(gap)
    return sorted(calm), sorted(disturbed)


def _first_act(lines: list[Line], fault: Line) -> Line | None:
    """The next owner's, if the fault's worker held the session and lost it by this."""
    before = [line for line in lines if line["at"] <= fault["at"]]
    held = before and before[-1]["worker"] == fault["worker"] and before[-1]["kind"] != "release"
    if not held:
        return None
    lease = max(line["lease"] for line in before)
    after = [line for line in lines if line["at"] > fault["at"] and line["kind"] in ("append", "run")]
    # One that was only paused for a moment goes on itself.
    return after[0] if after and after[0]["lease"] > lease else None


def _is_disturbed(history: History, fault: Line, act: Line, owners: set[str]) -> bool:
    for other in history.lines["fault"]:
        # Storage that crashed just before is still on its way back.
        storage = other["what"] == "storage" and fault["at"] - STORAGE_SECONDS < other["at"] < act["at"]
        hit = other["worker"] in owners and fault["at"] < other["at"] < act["at"]
        if storage or (hit and other["what"] in ("kill", "pause", "cut")):
            return True
    return False
