"""What goes wrong with a provider ends in words that say what to do, and makes nothing."""

from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import Error, TurnCompleted

from services.rpc.status import RemoteError
from tests.fakes.github import Failure
from tests.fakes.viewer import Viewer
from tests.grounds.hosted import MODEL, Ground, outputs, run
from tests.grounds.person import turn_ended

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


def save(ground: Ground, token: str) -> Any:
    return ground.rest.post("/integrations", {"provider": "github", "token": token})


async def test_a_refused_token_is_not_kept(ground: Ground) -> None:
    ground.github.tokens.clear()
    refused = save(ground, ground.canary.token)
    assert refused.status == 422
    assert "refused the token" in refused.detail
    ground.github.failures.append(Failure("echo", path="/user"))
    assert save(ground, ground.canary.token).status == 422
    assert ground.rest.get("/integrations").body == {"integrations": []}
    body = {"task": "x", "repoUrl": f"{ground.github.url}/ada/tea", "gitToken": ground.canary.token, "model": MODEL}
    assert ground.rest.post("/sessions", body).status == 422
    assert ground.rest.get("/sessions").body == {"sessions": []}
    # The stand-in has repeated the token in its own error; it went no further.
    ground.canary.look_at_all("rest:answer", ground.rest.heard)
    ground.canary.look("log:product", ground.product.log)
    ground.canary.look_at_folder(ground.product.folder)
    assert ground.canary.found == []


async def test_a_repository_that_is_not_there_makes_no_session(ground: Ground) -> None:
    wanted = pb.CreateSessionRequest(task="x", model=MODEL)
    wanted.repository.url = f"{ground.github.url}/ada/tea"
    with pytest.raises(RemoteError) as untold:
        await ground.person.sessions.create_session(wanted)
    assert untold.value.reason in ("REPOSITORY_NOT_FOUND", "CONNECTION_NOT_FOUND")
    assert save(ground, ground.canary.token).status == 200
    wanted.repository.url = f"{ground.github.url}/ada/no-such"
    with pytest.raises(RemoteError) as absent:
        await ground.person.sessions.create_session(wanted)
    assert absent.value.reason == "REPOSITORY_NOT_FOUND"
    body = {"task": "x", "repoUrl": wanted.repository.url, "model": MODEL}
    refused = ground.rest.post("/sessions", body)
    assert (refused.status, refused.detail["status"]) == (404, "error")
    assert ground.rest.get("/sessions").body == {"sessions": []}


@pytest.mark.parametrize("when", ["before the gate", "before the clone"])
async def test_a_token_that_is_revoked_gives_a_red_card(ground: Ground, when: str) -> None:
    """The card says that the account has to be connected again; no stack trace, no model call, no pull request."""
    assert save(ground, ground.canary.token).status == 200
    # The first request is that of the session's creation. (A session of a case before may still copy its repository.)
    first = len(ground.github.api_requests)
    if when == "before the gate":
        ground.github.while_api = lambda: revoke(ground) if len(ground.github.api_requests) > first + 1 else None
    else:
        ground.github.before_git = lambda: revoke(ground) if len(ground.github.api_requests) > first else None
    body = {"task": "Mend it.", "repoUrl": f"{ground.github.url}/ada/tea", "model": MODEL}
    made = ground.rest.post("/sessions", body)
    assert made.status == 200, made.text
    viewer = Viewer(made.body["sessionId"])
    await ground.person.follow(viewer, turn_ended)
    errors = [event.error for event in viewer.events if event.HasField("error")]
    assert [(error.code, error.user_action) for error in errors] == [
        ("TOKEN_REFUSED", Error.USER_ACTION_RECONNECT_PROVIDER)
    ], outputs(viewer.events)
    assert "Traceback" not in errors[0].message
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_FAILED
    assert "Traceback" not in ground.product.log
    assert ground.model.requests == []
    # Connected again, a message goes on from there.
    ground.github.while_api = ground.github.before_git = lambda: None
    ground.github.add_account("ada", ground.canary.token)
    assert ground.rest.post(f"/sessions/{viewer.session_id}/messages", {"content": "Again."}).status == 200
    await ground.person.follow(viewer, turn_ended)
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_DONE, outputs(viewer.events)


def revoke(ground: Ground) -> None:
    ground.github.tokens.clear()


async def test_a_provider_that_is_down_says_so(ground: Ground) -> None:
    """The token is kept; what cannot be listed or cloned has a card or a status of its own."""
    assert save(ground, ground.canary.token).status == 200
    ground.github.failures.append(Failure("status", status=500, times=50))
    assert ground.rest.get("/integrations/github/repos").status == 502
    body = {"task": "x", "repoUrl": f"{ground.github.url}/ada/tea", "model": MODEL}
    assert ground.rest.post("/sessions", body).status == 503
    assert ground.rest.get("/sessions").body == {"sessions": []}
    ground.github.failures.clear()
    session, viewer = await run(ground)
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_DONE
    assert session.state == pb.Session.STATE_IDLE
