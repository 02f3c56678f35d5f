"""Tokens at rest: what was sealed opens for its owner only, and no changed bit passes."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.integrations.backends.sealing import JweSealer
from services.integrations.domain.errors import TokenUnreadable
from services.integrations.domain.models import SealedToken

SEALER = JweSealer("lucid-test-key")
TOKEN = "ghp_exampleTOKEN0123456789"

# Made by node's crypto and by openssl enc -aes-256-cbc alike.
OLD_FORMS = [
    (
        "lucid-test-key",
        "000102030405060708090a0b0c0d0e0f",
        "ghp_exampleTOKEN0123456789",
        "980ede51f26bdd5eac89530ed45785195fa449a8fe90d1ea84b54e4d0c249367",
    ),
    (
        "ключ 🔑",
        "ffeeddccbbaa99887766554433221100",
        "glpat-пример",
        "8e060dd29e4c4d969b29728d7e7da997279b86d774208fd0e397657d860e8c95",
    ),
    ("lucid-test-key", "00000000000000000000000000000000", "", "3bf92a8034f1eea53cf48b94d63ce76b"),
]


@settings(max_examples=50)
@given(st.text(max_size=300), st.text(min_size=1, max_size=50))
def test_what_is_sealed_opens(token: str, user_id: str) -> None:
    sealed = SEALER.seal(user_id, "github", token)
    assert SEALER.open(user_id, "github", sealed) == token


def test_the_form_is_a_jwe_with_the_promised_algorithms() -> None:
    sealed = SEALER.seal("usr_ada", "github", TOKEN)
    head, key, *_ = sealed.value.split(".")
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    assert (header["alg"], header["enc"], key) == ("dir", "A256CBC-HS512", "")
    assert (header["owner"], header["provider"]) == ("usr_ada", "github")
    assert header["kid"]
    assert TOKEN not in sealed.value
    assert TOKEN not in repr(sealed)
    assert sealed.iv == ""


def test_twice_sealed_is_never_the_same() -> None:
    assert SEALER.seal("u", "github", TOKEN) != SEALER.seal("u", "github", TOKEN)


def test_no_changed_bit_passes() -> None:
    parts = SEALER.seal("usr_ada", "github", TOKEN).value.split(".")
    for number, part in enumerate(parts):
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        for bit in range(len(raw) * 8):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            text = base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("=")
            forged = SealedToken(".".join([*parts[:number], text, *parts[number + 1 :]]))
            with pytest.raises(TokenUnreadable):
                SEALER.open("usr_ada", "github", forged)


@pytest.mark.parametrize(("user_id", "provider"), [("usr_eve", "github"), ("usr_ada", "gitlab"), ("", "github")])
def test_a_row_that_was_moved_does_not_open(user_id: str, provider: str) -> None:
    sealed = SEALER.seal("usr_ada", "github", TOKEN)
    with pytest.raises(TokenUnreadable):
        SEALER.open(user_id, provider, sealed)


def test_another_key_does_not_open() -> None:
    with pytest.raises(TokenUnreadable):
        JweSealer("other").open("u", "github", SEALER.seal("u", "github", TOKEN))


@pytest.mark.parametrize("value", ["", "a.b.c.d.e", "....", "not a jwe", "eyJhbGciOiJub25lIn0..."])
def test_nonsense_does_not_open(value: str) -> None:
    with pytest.raises(TokenUnreadable):
        SEALER.open("u", "github", SealedToken(value))


@pytest.mark.parametrize(("key", "iv", "plain", "cipher"), OLD_FORMS)
def test_the_predecessors_form_is_read(key: str, iv: str, plain: str, cipher: str) -> None:
    assert JweSealer(key).open("anybody", "github", SealedToken(cipher, iv)) == plain


@pytest.mark.parametrize(
    ("iv", "cipher"),
    [("00", "00"), ("zz" * 16, "00" * 16), ("00" * 16, ""), ("00" * 16, "00" * 15), ("11" * 16, "22" * 32)],
)
def test_a_broken_old_form_is_refused(iv: str, cipher: str) -> None:
    with pytest.raises(TokenUnreadable):
        SEALER.open("u", "github", SealedToken(cipher, iv))
