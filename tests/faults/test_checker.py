"""The checker itself: a true story passes, and each untruth is found by the rule that is there for it."""

import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
from lucid.sessions.v1.event_pb2 import CHANNEL_MESSAGE, Delta, Frame, TurnCompleted

from tests.faults.checker.verdict import RULES, judge
from tests.faults.story import BEGAN, BRANCH, SESSION, Story, true_story
from tests.grounds.processes import ROOT

LONGEST_TAKEOVER = 6.0


def _again(story: Story) -> None:
    """The events are numbered and watched once more, so that only what was changed is untrue."""
    story.number()
    story.watched()


def an_acknowledged_message_is_lost(story: Story) -> None:
    del story.events[6]
    _again(story)


def a_message_is_said_twice(story: Story) -> None:
    story.events.insert(1, ("", deepcopy(story.event("user_message"))))
    _again(story)


def a_message_stands_elsewhere(story: Story) -> None:
    story.line("end", op="SendMessage")["seq"] = 8


def a_request_has_no_session(story: Story) -> None:
    story.line("end", op="CreateSession")["id"] = "another"


def a_number_is_missing(story: Story) -> None:
    del story.rows[3]


def a_number_comes_twice(story: Story) -> None:
    story.rows.insert(3, story.rows[3])


def a_stored_event_was_altered(story: Story) -> None:
    event = deepcopy(story.events[3][1])
    event.text_completed.text = "Looking!"
    story.rows[3]["data"] = b64encode(event.SerializeToString(deterministic=True)).decode()


def a_key_is_there_twice(story: Story) -> None:
    story.rows[4]["key"] = story.rows[5]["key"]


def an_item_has_no_end(story: Story) -> None:
    del story.events[3]
    _again(story)


def an_item_ends_twice(story: Story) -> None:
    story.events.insert(4, ("", deepcopy(story.events[3][1])))
    _again(story)


def a_waiting_message_is_taken_twice(story: Story) -> None:
    story.events.insert(12, ("", deepcopy(story.events[11][1])))
    _again(story)


def a_taken_message_is_never_said(story: Story) -> None:
    del story.events[12]
    _again(story)


def a_turn_begins_within_another(story: Story) -> None:
    story.events[10], story.events[13] = story.events[13], story.events[10]
    _again(story)


def a_decision_is_another(story: Story) -> None:
    story.event("approval_resolved").approval_resolved.option_id = "2"
    _again(story)


def a_stop_is_lost(story: Story) -> None:
    del story.events[7]
    _again(story)


def a_stop_is_late(story: Story) -> None:
    for seq, (_, event) in enumerate(story.events):
        if seq > 7:
            event.time.seconds = BEGAN + 100
    story.rows = [
        {**row, "data": b64encode(event.SerializeToString(deterministic=True)).decode()}
        for row, (_, event) in zip(story.rows, story.events, strict=True)
    ]


def a_stopped_turn_fails(story: Story) -> None:
    story.event("turn_completed").turn_completed.outcome = TurnCompleted.OUTCOME_FAILED
    _again(story)


def a_client_is_told_of_an_accident(story: Story) -> None:
    story.say("attempt", op="SendMessage", n="c-1", code="INTERNAL", detail="KeyError")


def a_client_is_left_without_an_answer(story: Story) -> None:
    story.say("begin", op="SendMessage", n="c-9")


def a_session_goes_on_for_ever(story: Story) -> None:
    story.say("restless", session=SESSION)


def a_watcher_misses_an_event(story: Story) -> None:
    frames = [line for line in story.lines if line["kind"] == "frame"]
    story.lines.remove(frames[2])


def a_watcher_sees_another_event(story: Story) -> None:
    event = deepcopy(story.events[0][1])
    event.user_message.text = "Hullo"
    story.line("frame")["data"] = b64encode(Frame(event=event).SerializeToString(deterministic=True)).decode()


def a_watcher_is_shown_what_was_never_written(story: Story) -> None:
    delta = Delta(item_id="i1", channel=CHANNEL_MESSAGE, data=b"Lying", after_seq=3)
    line = next(line for line in story.lines if line["kind"] == "frame" and len(line["data"]) < 60)
    line["data"] = b64encode(Frame(delta=delta).SerializeToString(deterministic=True)).decode()


def a_watcher_stays_behind(story: Story) -> None:
    del story.lines[-3:-1]


def a_command_runs_twice(story: Story) -> None:
    story.line("marks")["marks"].append("m1")


def a_command_of_the_log_never_ran(story: Story) -> None:
    story.line("marks")["marks"].clear()


def a_branch_has_two_pull_requests(story: Story) -> None:
    story.line("pulls")["pulls"].append(["ada/tea", BRANCH])


def a_sandbox_is_left(story: Story) -> None:
    story.line("sandboxes")["running"].append("sbx_gone")


def an_owner_writes_after_the_next_one(story: Story) -> None:
    story.say("append", worker="w1", session=SESSION, lease=1, seqs=[7])


def a_takeover_is_slow(story: Story) -> None:
    story.line("append", lease=2)["at"] += LONGEST_TAKEOVER + 1


UNTRUTHS: dict[str, list[Callable[[Story], None]]] = {
    "numbering": [a_number_is_missing, a_number_comes_twice],
    "chain": [a_stored_event_was_altered],
    "keys": [a_key_is_there_twice],
    "items": [an_item_has_no_end, an_item_ends_twice],
    "queue": [a_waiting_message_is_taken_twice, a_taken_message_is_never_said],
    "turns": [a_turn_begins_within_another],
    "creations": [a_request_has_no_session],
    "messages": [an_acknowledged_message_is_lost, a_message_is_said_twice, a_message_stands_elsewhere],
    "decisions": [a_decision_is_another],
    "stops": [a_stop_is_lost, a_stop_is_late, a_stopped_turn_fails],
    "answers": [a_client_is_told_of_an_accident],
    "finished": [a_client_is_left_without_an_answer],
    "rest": [a_session_goes_on_for_ever],
    "transcripts": [
        a_watcher_misses_an_event,
        a_watcher_sees_another_event,
        a_watcher_is_shown_what_was_never_written,
        a_watcher_stays_behind,
    ],
    "commands": [a_command_runs_twice, a_command_of_the_log_never_ran],
    "pull_requests": [a_branch_has_two_pull_requests],
    "sandboxes": [a_sandbox_is_left],
    "fence": [an_owner_writes_after_the_next_one],
    "takeovers": [a_takeover_is_slow],
}
CASES = [
    pytest.param(rule, untruth, id=untruth.__name__) for rule, untruths in UNTRUTHS.items() for untruth in untruths
]


def test_a_true_story_passes(tmp_path: Path) -> None:
    verdict = judge(*true_story().tell(tmp_path), LONGEST_TAKEOVER)
    assert verdict.broken == ()
    assert verdict.summary.startswith("1 faults, 1 sessions, 19 events, 1 commands, 4 operations answered")


@pytest.mark.parametrize(("rule", "untruth"), CASES)
def test_an_untruth_is_found(tmp_path: Path, rule: str, untruth: Callable[[Story], None]) -> None:
    story = true_story()
    untruth(story)
    broken = judge(*story.tell(tmp_path), LONGEST_TAKEOVER).broken
    assert any(one.startswith(f"{rule}:") for one in broken), broken


def test_every_rule_has_an_untruth() -> None:
    assert {rule.__name__ for rule in RULES} | {"takeovers"} == set(UNTRUTHS)


@pytest.mark.parametrize(("untruth", "code"), [(None, 0), (a_command_runs_twice, 1)])
def test_the_program_says_it_by_its_exit_code(
    tmp_path: Path, untruth: Callable[[Story], None] | None, code: int
) -> None:
    story = true_story()
    if untruth is not None:
        untruth(story)
    paths = [str(path) for path in story.tell(tmp_path)]
    command = [sys.executable, "-m", "tests.faults.checker", *paths]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("BROKEN commands:" in done.stdout) is bool(code)


def test_the_checker_imports_nothing_of_the_services() -> None:
    code = "import sys, tests.faults.checker.verdict as v; print([m for m in sys.modules if m.startswith('services')])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
