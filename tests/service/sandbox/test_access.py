"""Who may call what, and what a wrong call gets: for every RPC of the proto."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from lucid.sandbox.v1 import commands_pb2 as cpb
from lucid.sandbox.v1 import files_pb2 as fpb
from lucid.sandbox.v1 import images_pb2
from lucid.sandbox.v1 import lifecycle_pb2 as lpb
from lucid.sandbox.v1 import sandbox_pb2 as pb
from lucid.sandbox.v1 import snapshots_pb2 as spb
from lucid.sandbox.v1.pool_pb2 import GetPoolRequest, GetStatsRequest, SetPoolRequest

from services.rpc.identity import Verifier, service_metadata, sign_access_token, user_metadata
from services.rpc.ids import new_id
from services.rpc.status import RemoteError
from services.rpc.testing import inproc, serving
from services.sandbox.client import SandboxClient
from services.sandbox.server import SERVICE, build
from services.sandbox.settings import Settings

SECRET, KEY, OWNER = "s" * 32, "k" * 32, "usr_owner"
# About no sandbox: they have no owner, and no field that could be wrong.
OF_ALL = {
    "GetStatus": pb.GetStatusRequest(),
    "ListImages": images_pb2.ListImagesRequest(),
    "ListTransitions": lpb.ListTransitionsRequest(),
}
CHECKPOINT = "chk_0123456789"
USER_METHODS = {"GetSandbox", "ListTree", "ReadFile", "StatFile", "DownloadFile", "SearchFiles", "WatchFiles"}
USER_METHODS |= {"ExportArchive", "AttachCommand", "ListCommands", "ReadCommandLog"}
USER_METHODS |= {f"{verb}Terminal" for verb in ("Open", "Write", "Resize", "Close")} | {"ListTerminals"}
USER_METHODS |= {"ListImages", "GetStats", "ListCheckpoints", "ReadCheckpoint"}
ME, OTHER = (user_metadata(sign_access_token(SECRET, user, 3600)) for user in (OWNER, "usr_other"))
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"  # a tree without files


def file_requests(sandbox_id: str) -> dict[str, Any]:
    """A valid request of every method of files.proto; the first makes the folder of the others."""
    key = {"sandbox_id": sandbox_id, "change_id": "c"}
    return {
        "MakeDirectory": fpb.MakeDirectoryRequest(sandbox_id=sandbox_id, change_id="d", path="folder/file"),
        "StatFile": fpb.StatFileRequest(sandbox_id=sandbox_id),
        "DownloadFile": fpb.DownloadFileRequest(sandbox_id=sandbox_id, path="file"),
        "WriteFile": fpb.WriteFileRequest(sandbox_id=sandbox_id, write_id="w", path="written", content=b"x"),
        "WriteFilePart": fpb.WriteFilePartRequest(sandbox_id=sandbox_id, upload_id="u", data=b"x"),
        "MoveFile": fpb.MoveFileRequest(**key, path="folder/file", new_path="folder/moved"),
        "RemoveFile": fpb.RemoveFileRequest(sandbox_id=sandbox_id, change_id="r", path="folder", recursive=True),
        "SearchFiles": fpb.SearchFilesRequest(sandbox_id=sandbox_id, query="x"),
        "WatchFiles": fpb.WatchFilesRequest(sandbox_id=sandbox_id),
        "ExportArchive": fpb.ExportArchiveRequest(sandbox_id=sandbox_id),
        "ImportArchive": fpb.ImportArchiveRequest(sandbox_id=sandbox_id, change_id="i", archive=bytes(1024)),
    }


def requests(sandbox_id: str) -> dict[str, Any]:
    """A valid request of every method."""
    return {
        "CreateSandbox": pb.CreateSandboxRequest(sandbox_id=sandbox_id, owner_id=OWNER, session_id="ses_1"),
        "GetSandbox": pb.GetSandboxRequest(sandbox_id=sandbox_id),
        "DeleteSandbox": pb.DeleteSandboxRequest(sandbox_id=sandbox_id),
        "RunCommand": pb.RunCommandRequest(sandbox_id=sandbox_id, command_id="c", command="true"),
        "StopCommand": pb.StopCommandRequest(sandbox_id=sandbox_id),
        "ListTree": pb.ListTreeRequest(sandbox_id=sandbox_id),
        "ReadFile": pb.ReadFileRequest(sandbox_id=sandbox_id, path="file"),
        "EditFile": pb.EditFileRequest(
            sandbox_id=sandbox_id, edit_id="e", path="file", create=pb.EditFileRequest.Create(content="x")
        ),
        "CreateSnapshot": pb.CreateSnapshotRequest(sandbox_id=sandbox_id),
        "ListSnapshots": spb.ListSnapshotsRequest(sandbox_id=sandbox_id),
        "DiffSnapshots": spb.DiffSnapshotsRequest(sandbox_id=sandbox_id, to_tree=EMPTY),
        "RestoreSnapshot": spb.RestoreSnapshotRequest(sandbox_id=sandbox_id, restore_id="r", tree=EMPTY),
        "ConfigureSandbox": images_pb2.ConfigureSandboxRequest(sandbox_id=sandbox_id),
        "PauseSandbox": lpb.PauseSandboxRequest(sandbox_id=sandbox_id),
        "ResumeSandbox": lpb.ResumeSandboxRequest(sandbox_id=sandbox_id),
        "HibernateSandbox": lpb.HibernateSandboxRequest(sandbox_id=sandbox_id),
        "RestartSandbox": lpb.RestartSandboxRequest(sandbox_id=sandbox_id),
        "KeepAlive": lpb.KeepAliveRequest(sandbox_id=sandbox_id),
        "CreateCheckpoint": lpb.CreateCheckpointRequest(sandbox_id=sandbox_id),
        "ListCheckpoints": lpb.ListCheckpointsRequest(sandbox_id=sandbox_id),
        "ReadCheckpoint": lpb.ReadCheckpointRequest(sandbox_id=sandbox_id, checkpoint_id=CHECKPOINT),
        "RestoreCheckpoint": lpb.RestoreCheckpointRequest(
            sandbox_id=sandbox_id, checkpoint_id=CHECKPOINT, restore_id="r"
        ),
        **file_requests(sandbox_id),
        "GetStats": GetStatsRequest(sandbox_id=sandbox_id),
        **command_requests(sandbox_id),
    }


def command_requests(sandbox_id: str) -> dict[str, Any]:
    """Of those about commands that were started, and terminals."""
    command = {"sandbox_id": sandbox_id, "command_id": "c"}
    terminal = {"sandbox_id": sandbox_id, "terminal_id": "t"}
    return {
        "AttachCommand": cpb.AttachCommandRequest(**command),
        "WriteStdin": cpb.WriteStdinRequest(**command, data=b"x"),
        "CloseStdin": cpb.CloseStdinRequest(**command),
        "SignalCommand": cpb.SignalCommandRequest(**command, request_id="s", signal="SIGNAL_HUP"),
        "ListCommands": cpb.ListCommandsRequest(sandbox_id=sandbox_id),
        "ReadCommandLog": cpb.ReadCommandLogRequest(**command),
        "OpenTerminal": cpb.OpenTerminalRequest(**terminal),
        "WriteTerminal": cpb.WriteTerminalRequest(**terminal, writer_id="w", data=b"x"),
        "ResizeTerminal": cpb.ResizeTerminalRequest(**terminal, columns=80, rows=24),
        "CloseTerminal": cpb.CloseTerminalRequest(**terminal),
        "ListTerminals": cpb.ListTerminalsRequest(sandbox_id=sandbox_id),
    }


METHODS = sorted(requests(""))
INVALID = {
    "CreateSandbox": {"sandbox_id": "../x"},
    "GetSandbox": {"sandbox_id": ""},
    "DeleteSandbox": {"sandbox_id": ""},
    "RunCommand": {"command_id": "a/b"},
    "StopCommand": {"sandbox_id": ""},
    "ListTree": {"path": "x" * 4001},
    "ReadFile": {"path": ""},
    "EditFile": {"edit_id": ""},
    "CreateSnapshot": {"since_tree": "HEAD"},
    "ListSnapshots": {"path": "x" * 4001},
    "DiffSnapshots": {"to_tree": "HEAD"},
    "RestoreSnapshot": {"tree": "--help"},
    "ConfigureSandbox": {"image": "x" * 301},
    "AttachCommand": {"command_id": "a/b"},
    "WriteStdin": {"data": b""},
    "CloseStdin": {"command_id": "a/b"},
    "SignalCommand": {"signal": 0},
    "ListCommands": {"page_token": "x" * 101},
    "ReadCommandLog": {"wait_ms": 60_001},
    "OpenTerminal": {"columns": 1001},
    "WriteTerminal": {"writer_id": ""},
    "ResizeTerminal": {"rows": 0},
    "CloseTerminal": {"terminal_id": "a/b"},
    "ListTerminals": {"sandbox_id": ""},
    "PauseSandbox": {"sandbox_id": ""},
    "ResumeSandbox": {"sandbox_id": ""},
    "HibernateSandbox": {"sandbox_id": ""},
    "RestartSandbox": {"sandbox_id": ""},
    "KeepAlive": {"sandbox_id": ""},
    "CreateCheckpoint": {"request_id": "a/b"},
    "ListCheckpoints": {"page_size": -1},
    "ReadCheckpoint": {"checkpoint_id": "../x"},
    "RestoreCheckpoint": {"checkpoint_id": "../x"},
    "StatFile": {"path": "x" * 4001},
    "DownloadFile": {"path": ""},
    "WriteFile": {"if_match": "new"},
    "WriteFilePart": {"upload_id": "../x"},
    "MakeDirectory": {"change_id": ""},
    "MoveFile": {"new_path": ""},
    "RemoveFile": {"path": ""},
    "SearchFiles": {"time_limit_ms": 30001},
    "WatchFiles": {"sandbox_id": ""},
    "ExportArchive": {"path": "x" * 4001},
    "ImportArchive": {"archive": bytes(2**21 + 1)},
    "GetStats": {"sandbox_id": ""},
}


@pytest.fixture(params=["socket", "process"])
async def channel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[grpc.aio.Channel]:
    settings = Settings(session_secret=SECRET, internal_api_key=KEY, data_dir=tmp_path, backend="bubblewrap")
    service = await build(settings, lambda target: pytest.fail(target))
    opened = serving if request.param == "socket" else inproc
    async with opened(service, verifier=Verifier(SECRET, KEY)) as channel:
        yield channel


async def call(channel: grpc.aio.Channel, method: str, request: Any, metadata: Any) -> Any:
    name = "".join("_" + letter.lower() if letter.isupper() else letter for letter in method).lstrip("_")
    client = SandboxClient(channel).acting_as(metadata)
    answer = getattr(client, name)(request)
    if method == "WatchFiles":
        return await anext(answer)
    if isinstance(answer, AsyncIterator):
        return [frame async for frame in answer][-1]
    return await answer


async def refusal(channel: grpc.aio.Channel, method: str, request: Any, metadata: Any) -> tuple[str, str]:
    with pytest.raises(RemoteError) as refused:
        await call(channel, method, request, metadata)
    return refused.value.code.name, refused.value.reason


def test_every_method_has_a_row() -> None:
    # About no sandbox, so without an owner; tested by themselves.
    others = ["GetStatus", "GetPool", "SetPool", "ListSandboxes", "WatchSandboxes", "ListImages", "ListTransitions"]
    assert sorted([*METHODS, *others]) == sorted(method.name for method in SERVICE.methods)
    assert sorted(INVALID) == METHODS


async def test_get_status(channel: grpc.aio.Channel) -> None:
    status = pb.GetStatusRequest()
    assert await refusal(channel, "GetStatus", status, ()) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert await refusal(channel, "GetStatus", status, ME) == ("PERMISSION_DENIED", "INTERNAL_ONLY")
    service = service_metadata(KEY, "gateway")
    before = await call(channel, "GetStatus", status, service)
    assert (before.confinement, before.ready_sandboxes) == (pb.Sandbox.CONFINEMENT_BUBBLEWRAP, 0)
    await call(channel, "CreateSandbox", requests(new_id("sbx"))["CreateSandbox"], service_metadata(KEY, OWNER))
    assert (await call(channel, "GetStatus", status, service)).ready_sandboxes == 1


async def test_list_images(channel: grpc.aio.Channel) -> None:
    request = images_pb2.ListImagesRequest()
    assert await refusal(channel, "ListImages", request, ()) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    # Under bubblewrap there are none.
    assert not (await call(channel, "ListImages", request, service_metadata(KEY, "sessions"))).images


async def test_other_variables_are_a_sandbox_made_again(channel: grpc.aio.Channel) -> None:
    me = service_metadata(KEY, OWNER)
    asked = requests(new_id("sbx"))
    asked["CreateSandbox"].env["WHO"] = "me"
    await call(channel, "CreateSandbox", asked["CreateSandbox"], me)
    configure, run = asked["ConfigureSandbox"], asked["RunCommand"]
    assert (await call(channel, "ConfigureSandbox", configure, me)).remade, "no variables are others than those before"
    configure.env["WHO"] = "you"
    run.command_id, run.command = "first", "export KEPT=1; echo $WHO >who; exit 3"
    assert (await call(channel, "RunCommand", run, me)).exit.exit_code == 3
    assert (await call(channel, "ConfigureSandbox", configure, me)).remade
    assert not (await call(channel, "ConfigureSandbox", configure, me)).remade
    run.command_id, run.command = "second", 'cat who; echo "$WHO $KEPT"'
    assert (await call(channel, "RunCommand", run, me)).exit.head == b"\nyou 1\n"
    await call(channel, "CreateSandbox", asked["CreateSandbox"], me)
    run.command_id, run.command = "third", "echo $WHO"
    assert (await call(channel, "RunCommand", run, me)).exit.head == b"you\n"
    configure.env["A"] = "x\0y"
    assert await refusal(channel, "ConfigureSandbox", configure, me) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_the_pool_is_no_business_of_people(channel: grpc.aio.Channel) -> None:
    service = service_metadata(KEY, "gateway")
    for method, request in (("GetPool", GetPoolRequest()), ("SetPool", SetPoolRequest(size=0))):
        assert await refusal(channel, method, request, ()) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        assert await refusal(channel, method, request, ME) == ("PERMISSION_DENIED", "INTERNAL_ONLY")
        answer = await call(channel, method, request, service)
        assert (answer.pool.size, answer.pool.ready, answer.pool.waiting) == (0, 0, 0)
        assert answer.pool.starts_at_once > 0
    too_many = SetPoolRequest(size=21)
    assert await refusal(channel, "SetPool", too_many, service) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_what_is_about_all_sandboxes_is_for_services(channel: grpc.aio.Channel) -> None:
    for method, request in OF_ALL.items():
        assert await refusal(channel, method, request, ()) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        if method not in USER_METHODS:
            assert await refusal(channel, method, request, ME) == ("PERMISSION_DENIED", "INTERNAL_ONLY")
    assert (await call(channel, "ListTransitions", OF_ALL["ListTransitions"], service_metadata(KEY, ""))).last == 0


async def test_identity(channel: grpc.aio.Channel) -> None:
    asked = requests(new_id("sbx"))
    for method in METHODS:
        assert await refusal(channel, method, asked[method], ()) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        wrong = service_metadata("x" * 32, OWNER)
        assert await refusal(channel, method, asked[method], wrong) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
        if method not in USER_METHODS:
            assert await refusal(channel, method, asked[method], ME) == ("PERMISSION_DENIED", "INTERNAL_ONLY")


async def test_foreign_and_absent_look_the_same(channel: grpc.aio.Channel) -> None:
    there, absent = requests(new_id("sbx")), requests(new_id("sbx"))
    await call(channel, "CreateSandbox", there["CreateSandbox"], service_metadata(KEY, OWNER))
    for method in METHODS:
        foreign = OTHER if method in USER_METHODS else service_metadata(KEY, "usr_other")
        if method == "DeleteSandbox":
            await call(channel, method, absent[method], foreign)
            await call(channel, method, there[method], foreign)
            continue
        if method != "CreateSandbox":
            assert await refusal(channel, method, absent[method], foreign) == ("NOT_FOUND", "SANDBOX_NOT_FOUND")
        assert await refusal(channel, method, there[method], foreign) == ("NOT_FOUND", "SANDBOX_NOT_FOUND")
    found = await call(channel, "GetSandbox", there["GetSandbox"], ME)
    assert (found.sandbox.owner_id, found.sandbox.state) == (OWNER, pb.Sandbox.STATE_READY)


async def test_fields_that_break_their_rules(channel: grpc.aio.Channel) -> None:
    for method in METHODS:
        request = requests(new_id("sbx"))[method]
        request.MergeFrom(type(request)(**INVALID[method]))
        for name, value in INVALID[method].items():
            setattr(request, name, value)
        found = await refusal(channel, method, request, service_metadata(KEY, OWNER))
        assert found == ("INVALID_ARGUMENT", "INVALID_REQUEST"), method


@pytest.mark.parametrize(
    "fields",
    [
        {"session_id": f"ses_1 {KEY}\nforged"},
        {"session_id": "ses 1"},
        {"env": {"A=B": "x"}},
        {"env": {"A": "x\0y"}},
        {"env": {"A": "x" * 70_000}},
        {"git_config": [pb.GitConfigEntry(key="nosection", value="x")]},
        {"git_config": [pb.GitConfigEntry(key="core.bad\n[x]", value="x")]},
    ],
)
async def test_what_no_sandbox_could_be_given(channel: grpc.aio.Channel, fields: dict[str, Any]) -> None:
    request = pb.CreateSandboxRequest(
        **{"sandbox_id": new_id("sbx"), "owner_id": OWNER, "session_id": "ses_1", **fields}
    )
    found = await refusal(channel, "CreateSandbox", request, service_metadata(KEY, OWNER))
    assert found == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_an_owner_that_was_followed_by_another_is_fenced(channel: grpc.aio.Channel) -> None:
    me = service_metadata(KEY, OWNER)
    asked = requests(new_id("sbx"))
    asked["CreateSandbox"].epoch = 3
    await call(channel, "CreateSandbox", asked["CreateSandbox"], me)
    changing = ("MakeDirectory", "WriteFile", "WriteFilePart", "MoveFile", "RemoveFile", "ImportArchive")
    keyed = ("CreateSandbox", "RunCommand", "EditFile", "CreateSnapshot", "RestoreSnapshot", "ConfigureSandbox")
    for method in (*keyed, *changing):
        asked[method].epoch = 2
        assert await refusal(channel, method, asked[method], me) == ("ABORTED", "FENCED")
        asked[method].epoch = 3
        await call(channel, method, asked[method], me)
    asked["RunCommand"].epoch = 4
    await call(channel, "RunCommand", asked["RunCommand"], me)
    assert await refusal(channel, "CreateSnapshot", asked["CreateSnapshot"], me) == ("ABORTED", "FENCED")


async def test_creating_at_once_and_again(channel: grpc.aio.Channel) -> None:
    me = service_metadata(KEY, OWNER)
    request = requests(new_id("sbx"))["CreateSandbox"]
    answers = await asyncio.gather(*(call(channel, "CreateSandbox", request, me) for _ in range(4)))
    assert sorted(answer.created for answer in answers) == [False, False, False, True]
    taken = pb.CreateSandboxRequest()
    taken.CopyFrom(request)
    taken.session_id = "ses_2"
    assert await refusal(channel, "CreateSandbox", taken, me) == ("NOT_FOUND", "SANDBOX_NOT_FOUND")
