"""What people paste: only an address of a known host, in the few forms that exist."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.integrations.domain.addresses import checked_full_name, parse_address
from services.integrations.domain.errors import InvalidRepository

BASES = {
    "github": "https://github.com",
    "gitlab": "https://git.corp.example:8443",
    "local": "http://127.0.0.1:8000/local",
}


@pytest.mark.parametrize(
    ("address", "provider", "full_name"),
    [
        ("https://github.com/ada/engine", "github", "ada/engine"),
        ("https://github.com/ada/engine.git", "github", "ada/engine"),
        ("https://github.com/ada/engine/", "github", "ada/engine"),
        ("https://GitHub.com/Ada/Engine", "github", "Ada/Engine"),
        ("  https://github.com/ada/.github  ", "github", "ada/.github"),
        ("git@github.com:ada/engine.git", "github", "ada/engine"),
        ("git@github.com:ada/engine", "github", "ada/engine"),
        ("ssh://git@github.com/ada/engine.git", "github", "ada/engine"),
        ("https://git.corp.example:8443/group/sub/project.git", "gitlab", "group/sub/project"),
        ("git@git.corp.example:group/project.git", "gitlab", "group/project"),
        ("http://127.0.0.1:8000/local/lucid/teatime", "local", "lucid/teatime"),
        ("http://127.0.0.1:8000/local/lucid/teatime.git", "local", "lucid/teatime"),
    ],
)
def test_the_forms_that_exist(address: str, provider: str, full_name: str) -> None:
    found = parse_address(address, BASES)
    assert (found.provider, found.full_name) == (provider, full_name)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "github.com/ada/engine",
        "http://github.com.evil.example/ada/engine",
        "https://github.com@evil.example/ada/engine",
        "https://token@github.com/ada/engine",
        "https://ada:token@github.com/ada/engine",
        "http://github.com:80@evil.example/ada/engine",
        "http://127.0.0.1:8000/lucid/teatime",
        "http://127.0.0.1:8001/local/lucid/teatime",
        "https://github.com:22/ada/engine",
        "https://github.com/ada",
        "https://github.com/ada/",
        "https://github.com/ada/engine/tree/main",
        "https://github.com/ada/engine?x=1",
        "https://github.com/ada/engine#readme",
        "https://github.com/ada/../engine",
        "https://github.com/ada/..",
        "https://github.com/ada/.",
        "https://github.com/ada/%2e%2e",
        "https://github.com//ada/engine",
        "https://github.com/-ada/engine",
        "https://github.com/ada/-engine",
        "https://github.com/ada/engine.git.git",
        "https://github.com/ada/.git",
        "https://github.com/ada/en gine",
        "https://github.com/ada/engine\n",
        "https://github.com/ada/engine\nx",
        "https://github.com/ada/engine\0",
        "https://github.com/äda/engine",
        "https://githuḃ.com/ada/engine",
        "ext::sh -c id",
        "file:///etc",
        "file://github.com/ada/engine",
        "git://github.com/ada/engine",
        "--upload-pack=id",
        "-oProxyCommand=id",
        "root@github.com:ada/engine",
        "ssh://root@github.com/ada/engine",
        "ssh://git@-oProxyCommand=id/ada/engine",
        "https://169.254.169.254/ada/engine",
        "https://github.com/" + "a" * 40 + "/engine",
        "https://github.com/ada/" + "a" * 101,
        "javascript:alert(1)",
    ],
)
def test_everything_else(address: str) -> None:
    if address.endswith("engine\n"):
        assert parse_address(address, BASES).full_name == "ada/engine"  # a newline at the end is how people paste
        return
    with pytest.raises(InvalidRepository):
        parse_address(address, BASES)


@given(st.text(max_size=60))
def test_any_text_is_a_safe_name_or_refused(text: str) -> None:
    for provider in BASES:
        try:
            name = checked_full_name(provider, text)
        except InvalidRepository:
            continue
        assert name.isascii()
        assert not set(name) & set(" \t\r\n\0?#%@:\\~^*[]")
        assert ".." not in name
        assert not name.startswith(("/", "-", "."))
