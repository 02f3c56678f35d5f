"""What happens when …: the rows of the sandbox's behaviour, each with the tests that show it, on every launcher.

And the rows that no other file is about.
"""

import ast
from pathlib import Path

import pytest
from lucid.sandbox.v1 import sandbox_pb2 as pb

from tests.contract.launchers.conftest import Bench

HERE = Path(__file__).parent
ROWS: dict[str, tuple[str, ...]] = {
    "a flood that the reader does not take": (
        "test_run_command::test_a_reader_that_does_not_read_holds_the_command_up",
        "test_bounds::test_a_flood_that_nobody_reads_is_nothing_to_the_helper",
    ),
    "a flood with head and tail": (
        "test_run_command::test_a_flood_has_head_tail_and_a_count_and_can_be_had_again",
        "test_run_command::test_of_an_old_flood_the_middle_is_dropped",
        "test_bounds::test_a_command_that_prints_for_ever_is_ended",
        "test_bounds::test_in_the_background_the_rest_is_taken_slowly",
    ),
    "`server & echo started`": ("test_run_command::test_what_is_left_running_is_counted_and_keeps_working",),
    "a server whose output nobody reads any more": (
        "test_background::test_a_server_keeps_serving_and_its_log_goes_on",
    ),
    "a background job's late output": (
        "test_background::test_output_of_what_was_left_behind_is_not_the_next_commands",
    ),
    "a command that reads its input": (
        "test_run_command::test_standard_input_is_empty",
        "test_steering::test_each_byte_is_written_once_however_often_it_is_sent",
        "test_terminal::test_control_c_ends_what_runs_and_not_the_shell",
    ),
    "a fork bomb": ("test_bounds::test_a_bomb_is_cleared_without_a_fork",),
    "a fork bomb at its limit (where processes are limited)": (
        "test_bounds::test_who_comes_while_a_bomb_is_there_is_refused_and_the_bomb_is_ended",
        "test_stop_command::test_a_fork_bomb_is_held_at_its_limit_and_can_be_stopped",
    ),
    "200 commands at once": ("test_bounds::test_of_very_many_at_once_some_are_refused_and_none_is_lost",),
    "a child killed for want of memory (where memory is limited)": ("test_stop_command::test_want_of_memory_is_told",),
    "the helper when memory is short": ("test_bounds::test_when_memory_is_short_the_helper_is_not_the_one_to_go",),
    "the helper is killed": (
        "test_journal::test_a_key_whose_helper_died_is_not_run_again_and_its_output_is_kept",
        "test_terminal::test_it_ends_with_the_sandbox",
    ),
    "output and names that are not UTF-8": (
        "test_run_command::test_both_outputs_come_in_the_order_they_were_printed_and_bytes_stay_as_they_are",
        "test_behaviour::test_a_name_that_is_not_utf8_is_shown_and_spoils_nothing",
    ),
    "a terminal, and none": (
        "test_behaviour::test_a_command_has_no_terminal",
        "test_terminal::test_typing_and_reading",
    ),
    "a line of 5 MB": ("test_behaviour::test_a_line_of_five_megabytes_stays_whole",),
    "a child that became a daemon": (
        "test_stop_command::test_nothing_of_a_stubborn_command_is_left_after_three_seconds",
        "test_terminal::test_nothing_of_the_agent_hides_behind_a_terminal",
    ),
    "the reader goes away": (
        "test_run_command::test_ending_the_call_does_not_end_the_command",
        "test_terminal::test_left_and_come_back_to",
    ),
    "the service goes away": ("test_restart::test_a_command_goes_on_while_services_come_and_go",),
    "a container that is paused, and one that was put away": (
        "test_ladder::test_every_kind_of_call_wakes_a_paused_sandbox",
        "test_ladder::test_two_services_and_a_restart",
        "test_ladder::test_the_rungs_one_after_another",
    ),
    "a shell that dies of what it is told": (
        "test_run_command::test_nothing_that_ends_a_shell_ends_the_sandbox",
        "test_run_command::test_a_shell_that_kills_itself_ends_by_a_signal",
    ),
}
ONE_LAUNCHER = ("where processes are limited", "where memory is limited")
# Elsewhere: an engine's container that vanishes in tests/service/sandbox/test_service_life.py, a full disk in
# tests/unit/sandbox/test_refusals.py.


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_its_tests_on_every_launcher(row: str) -> None:
    for name in ROWS[row]:
        file, _, test = name.partition("::")
        found = {
            node.name: node
            for node in ast.parse((HERE / f"{file}.py").read_text()).body
            if isinstance(node, ast.AsyncFunctionDef)
        }
        assert test in found, name
        fixtures = {argument.arg for argument in found[test].args.args}
        assert fixtures & {"bench", "shared", "tight", "backend"}, f"{name} runs in no sandbox"
        narrowed = "parametrize('backend'" in ast.unparse(found[test])
        assert narrowed == any(words in row for words in ONE_LAUNCHER), f"{name} runs on one launcher only"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_line_of_five_megabytes_stays_whole(shared: Bench) -> None:
    ran = await shared.run("head -c 5000000 /dev/zero | tr '\\0' x")
    assert ran.output == b"x" * 5_000_000
    assert (ran.exit.total_bytes, ran.exit.exit_code) == (5_000_000, 0)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_command_has_no_terminal(shared: Bench) -> None:
    ran = await shared.run("for n in 0 1 2; do [ -t $n ] && echo tty; done; tty; echo $TERM; cat /dev/tty")
    assert ran.output.splitlines()[:2] == [b"not a tty", b"dumb"]
    assert ran.exit.exit_code == 1


@pytest.mark.asyncio(loop_scope="module")
async def test_a_name_that_is_not_utf8_is_shown_and_spoils_nothing(shared: Bench) -> None:
    await shared.run(r"mkdir odd; echo inside >$'odd/a\xffb'; touch odd/after")
    found = await shared.client.list_tree(pb.ListTreeRequest(sandbox_id=shared.sandbox_id, path="odd"))
    [strange] = {entry.path for entry in found.entries} - {"odd/after"}
    assert (await shared.read(strange)).data == b"inside\n"
