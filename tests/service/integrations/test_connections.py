"""Connections: validated, sealed, masked, forgotten."""

import sqlite3

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.rpc.identity import sign_access_token, user_metadata
from services.rpc.status import RemoteError
from tests.fakes.github import Failure, GitHubStandIn
from tests.service.integrations.conftest import SECRET, TOKEN, House


def save(token: str = TOKEN, provider: str = "github", base_url: str = "") -> pb.SaveConnectionRequest:
    return pb.SaveConnectionRequest(provider=provider, token=token, base_url=base_url)


async def reason_of(call: object) -> str:
    with pytest.raises(RemoteError) as refused:
        await call  # type: ignore[misc]
    return refused.value.reason


async def test_saved_and_listed_masked(github_house: House, github: GitHubStandIn) -> None:
    (one,) = (await github_house.person.list_connections(pb.ListConnectionsRequest())).connections
    assert (one.provider, one.username, one.token_hint) == ("github", "ada", TOKEN[-4:])
    assert list(one.scopes) == ["repo", "workflow"]
    assert one.base_url == github.url
    assert one.connection_id.startswith("con_")
    assert TOKEN not in str(one)
    _, _, headers = github.requests[0]
    assert headers["Accept"] == "application/vnd.github.v3+json"
    assert headers["X-GitHub-Api-Version"] == "2022-11-28"
    assert headers["Authorization"] == f"Bearer {TOKEN}"


async def test_saving_again_replaces(github_house: House, github: GitHubStandIn) -> None:
    (before,) = (await github_house.person.list_connections(pb.ListConnectionsRequest())).connections
    github.add_account("ada-lovelace", "ghp_second_token_0123456789")
    await github_house.person.save_connection(save("ghp_second_token_0123456789"))
    (after,) = (await github_house.person.list_connections(pb.ListConnectionsRequest())).connections
    assert after.username == "ada-lovelace"
    assert after.connection_id == before.connection_id


async def test_connections_are_their_owners_only(github_house: House) -> None:
    eve = github_house.person.acting_as(user_metadata(sign_access_token(SECRET, "usr_eve", 60)))
    assert not (await eve.list_connections(pb.ListConnectionsRequest())).connections
    request = pb.DeleteConnectionRequest(provider="github")
    assert await reason_of(eve.delete_connection(request)) == "CONNECTION_NOT_FOUND"
    assert len((await github_house.person.list_connections(pb.ListConnectionsRequest())).connections) == 1


async def test_deleted_is_gone(github_house: House) -> None:
    await github_house.person.delete_connection(pb.DeleteConnectionRequest(provider="github"))
    assert not (await github_house.person.list_connections(pb.ListConnectionsRequest())).connections
    again = github_house.person.delete_connection(pb.DeleteConnectionRequest(provider="github"))
    assert await reason_of(again) == "CONNECTION_NOT_FOUND"


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure("status", status=401), "TOKEN_REFUSED"),
        (Failure("echo"), "TOKEN_REFUSED"),
        (Failure("status", status=403), "PROVIDER_FORBIDDEN"),
        (Failure("rate"), "PROVIDER_UNAVAILABLE"),
        (Failure("status", status=500), "PROVIDER_UNAVAILABLE"),
        (Failure("status", status=200, body="[]"), "PROVIDER_UNAVAILABLE"),
        (Failure("status", status=200, body=""), "PROVIDER_UNAVAILABLE"),
        (Failure("html"), "PROVIDER_UNAVAILABLE"),
        (Failure("reset"), "PROVIDER_UNAVAILABLE"),
        (Failure("redirect"), "PROVIDER_UNAVAILABLE"),
    ],
)
async def test_a_failing_provider_keeps_nothing(
    github_house: House, github: GitHubStandIn, failure: Failure, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    await github_house.person.delete_connection(pb.DeleteConnectionRequest(provider="github"))
    github.failures.append(failure)
    with pytest.raises(RemoteError) as refused:
        await github_house.person.save_connection(save())
    assert refused.value.reason == reason
    assert TOKEN not in refused.value.message + str(refused.value.metadata) + caplog.text
    assert not (await github_house.person.list_connections(pb.ListConnectionsRequest())).connections
    assert not [path for _, path, _ in github.requests if "stolen" in path]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (save("ghp_unknown_token_000000000"), "TOKEN_REFUSED"),
        (save("two words"), "TOKEN_REFUSED"),
        (save("line\nX-Injected: 1"), "TOKEN_REFUSED"),
        (save("päss"), "TOKEN_REFUSED"),
        (save(""), "INVALID_REQUEST"),
        (save("x" * 1001), "INVALID_REQUEST"),
        (save(provider="bitbucket"), "UNSUPPORTED_PROVIDER"),
        (save(provider=""), "UNSUPPORTED_PROVIDER"),
        (save(provider="local"), "UNSUPPORTED_PROVIDER"),
        (save(base_url="https://evil.example"), "INVALID_BASE_URL"),
        (save(provider="gitlab", base_url="http://[::1"), "INVALID_BASE_URL"),
        (save(base_url="http://169.254.169.254"), "INVALID_BASE_URL"),
    ],
)
async def test_bad_requests(github_house: House, request_: pb.SaveConnectionRequest, reason: str) -> None:
    assert await reason_of(github_house.person.save_connection(request_)) == reason


async def test_nobody_is_unauthenticated(github_house: House) -> None:
    nobody = github_house.person.acting_as(())
    assert await reason_of(nobody.list_connections(pb.ListConnectionsRequest())) == "UNAUTHENTICATED"
    keyed = github_house.person.acting_as((("x-internal-key", "internal-key-of-the-tests"),))
    assert await reason_of(keyed.list_connections(pb.ListConnectionsRequest())) == "UNAUTHENTICATED"


async def test_internal_methods_are_closed_to_people(github_house: House) -> None:
    person = github_house.person
    assert await reason_of(person.close_gate(pb.CloseGateRequest(session_id="ses_x"))) == "INTERNAL_ONLY"
    assert await reason_of(person.list_pushes(pb.ListPushesRequest(session_id="ses_x"))) == "INTERNAL_ONLY"
    gate = pb.OpenGateRequest(session_id="ses_01JQ0000000000000000000000", owner_id="usr_eve", full_name="ada/secret")
    assert await reason_of(person.open_gate(gate)) == "INTERNAL_ONLY"
    pull = pb.OpenPullRequestRequest(key="k", session_id="ses_x", title="t")
    assert await reason_of(person.open_pull_request(pull)) == "INTERNAL_ONLY"


async def test_a_token_of_the_predecessor_is_read_and_rewritten(github_house: House, github: GitHubStandIn) -> None:
    from hashlib import sha256

    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    padder = padding.PKCS7(128).padder()
    padded = padder.update(TOKEN.encode()) + padder.finalize()
    key = sha256(github_house.settings.encryption_key.encode()).digest()
    iv = bytes(range(16))
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    old = (encryptor.update(padded) + encryptor.finalize()).hex()
    path = github_house.settings.data_dir / "integrations.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE connections SET sealed_token = ?, iv = ?", (old, iv.hex()))
    found = await github_house.person.list_repositories(pb.ListRepositoriesRequest(provider="github"))
    assert [one.full_name for one in found.repositories] == ["ada/secret"]
    with sqlite3.connect(path) as database:
        ((sealed, left),) = database.execute("SELECT sealed_token, iv FROM connections").fetchall()
    assert left == ""
    assert sealed.count(".") == 4


async def test_a_row_moved_to_another_user_does_not_open(github_house: House) -> None:
    with sqlite3.connect(github_house.settings.data_dir / "integrations.db") as database:
        database.execute("UPDATE connections SET user_id = 'usr_eve'")
    eve = github_house.person.acting_as(user_metadata(sign_access_token(SECRET, "usr_eve", 60)))
    asked = eve.list_repositories(pb.ListRepositoriesRequest(provider="github"))
    assert await reason_of(asked) == "TOKEN_UNREADABLE"
