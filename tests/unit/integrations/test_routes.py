"""Which requests exist at the gate: these five, byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integrations.domain.models import Gate, Repository
from services.integrations.gate.routes import Refusal, route

GATE = Gate(
    "ses_01JQ0000000000000000000000",
    "usr_ada",
    Repository("github", "ada/secret", "https://github.com/ada/secret", "https://github.com/ada/secret.git", "main"),
    "github.com",
    "https://github.com",
    1,
)
ROOT = b"/github.com/ada/secret.git/"
PUSH = [(b"content-type", b"application/x-git-receive-pack-request")]
FETCH = [(b"content-type", b"application/x-git-upload-pack-request")]


def test_the_requests_that_exist() -> None:
    for service in (b"git-upload-pack", b"git-receive-pack"):
        call = route(GATE, b"GET", ROOT + b"info/refs?service=" + service, [(b"git-protocol", b"version=2")])
        assert (call.endpoint, call.query, call.protocol) == ("info/refs", f"service={service.decode()}", "version=2")
    fetch = route(
        GATE, b"POST", ROOT + b"git-upload-pack", [*FETCH, (b"content-encoding", b"gzip"), (b"content-length", b"9")]
    )
    assert (fetch.endpoint, fetch.content_encoding, fetch.length) == ("git-upload-pack", "gzip", 9)
    assert route(GATE, b"POST", ROOT + b"git-receive-pack", PUSH).full_name == "ada/secret"


ATTACKS = [
    b"/",
    b"*",
    b"",
    b"/github.com/ada/other.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret/info/refs?service=git-upload-pack",
    b"/github.com/ADA/secret.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.GIT/info/refs?service=git-upload-pack",
    b"//github.com/ada/secret.git/info/refs?service=git-upload-pack",
    b"/github.com//ada/secret.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.git//info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.git/../other.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.git/%2e%2e/other.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.git/%2E%2E%2Fother.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/%73ecret.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/x/../secret.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/./secret.git/info/refs?service=git-upload-pack",
    b"/github.com.evil.example/ada/secret.git/info/refs?service=git-upload-pack",
    b"/gitlab.com/ada/secret.git/info/refs?service=git-upload-pack",
    b"http://github.com/ada/secret.git/info/refs?service=git-upload-pack",
    b"https://api.github.com/user",
    b"/api.github.com/user",
    b"@evil.example/github.com/ada/secret.git/info/refs?service=git-upload-pack",
    b"/github.com/ada/secret.git\\info\\refs?service=git-upload-pack",
    b"/github.com/ada/secret.git;x/info/refs?service=git-upload-pack",
    ROOT + b"info/refs",
    ROOT + b"info/refs?",
    ROOT + b"info/refs?service=git-upload-archive",
    ROOT + b"info/refs?service=git-upload-pack&x=1",
    ROOT + b"info/refs?x=1&service=git-upload-pack",
    ROOT + b"info/refs?service=git-upload-pack#x",
    ROOT + b"info/refs?service=git%2Dupload-pack",
    ROOT + b"info/refs?Service=git-upload-pack",
    ROOT + b"info/refs/?service=git-upload-pack",
    ROOT + b"HEAD",
    ROOT + b"objects/info/packs",
    ROOT + b"config",
    ROOT + b"info/lfs/locks",
    ROOT,
]


@pytest.mark.parametrize("target", ATTACKS)
def test_every_other_get_is_refused(target: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"GET", target, [])
    assert refused.value.status == 403


@pytest.mark.parametrize(
    "endpoint", [b"info/refs", b"git-receive-pack?x", b"git-receive-pack?", b"git-receive-pack/", b""]
)
def test_every_other_post_is_refused(endpoint: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"POST", ROOT + endpoint, PUSH)
    assert refused.value.status == 403


@pytest.mark.parametrize("method", [b"PUT", b"DELETE", b"PATCH", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b"TRACE"])
def test_every_other_method_is_refused(method: bytes) -> None:
    for endpoint in (b"info/refs?service=git-upload-pack", b"git-receive-pack"):
        with pytest.raises(Refusal):
            route(GATE, method, ROOT + endpoint, PUSH)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"identity", b"GZIP", b"gzip, gzip", b"br"])
def test_a_push_may_not_be_encoded(encoding: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"POST", ROOT + b"git-receive-pack", [*PUSH, (b"content-encoding", encoding)])
    assert refused.value.status == 415


@pytest.mark.parametrize("encoding", [b"deflate", b"br", b"gzip, gzip"])
def test_a_fetch_may_be_gzipped_only(encoding: bytes) -> None:
    with pytest.raises(Refusal):
        route(GATE, b"POST", ROOT + b"git-upload-pack", [*FETCH, (b"content-encoding", encoding)])


@pytest.mark.parametrize(
    "headers", [[], FETCH, [(b"content-type", b"text/plain")], [(b"content-type", PUSH[0][1] + b"; x=y")]]
)
def test_the_content_type_must_be_gits(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"POST", ROOT + b"git-receive-pack", headers)
    assert refused.value.status == 415


def test_doubled_headers_are_refused() -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"POST", ROOT + b"git-receive-pack", [*PUSH, *PUSH])
    assert refused.value.status == 400


def test_lfs_is_told_so() -> None:
    with pytest.raises(Refusal) as refused:
        route(GATE, b"POST", ROOT + b"info/lfs/objects/batch", [])
    assert (refused.value.status, "LFS" in refused.value.text) == (403, True)


@pytest.mark.parametrize("protocol", [b"version=3", b"version=2:x", b"2", b"version=2\n", b"version=22"])
def test_only_known_protocols_are_forwarded(protocol: bytes) -> None:
    assert (
        route(GATE, b"GET", ROOT + b"info/refs?service=git-upload-pack", [(b"git-protocol", protocol)]).protocol == ""
    )


def test_a_closed_gate_serves_nothing() -> None:
    with pytest.raises(Refusal):
        route(None, b"GET", ROOT + b"info/refs?service=git-upload-pack", [])


@given(st.binary(max_size=120))
def test_any_target_is_the_sessions_or_refused(target: bytes) -> None:
    try:
        call = route(GATE, b"GET", ROOT + target, [])
    except Refusal:
        return
    assert (call.full_name, call.endpoint) == ("ada/secret", "info/refs")
