"""Which models there are, by what is configured."""

import subprocess
import sys
from pathlib import Path

import pytest

from services.sessions.backends.models import ConfiguredModels, Providers
from services.sessions.domain.errors import NoModelKey, UnknownModel


def test_without_any_key_there_is_the_demo() -> None:
    models = ConfiguredModels(Providers())
    assert models.default == "demo"
    assert models.names() == ("demo",)
    models.check("demo", has_own_key=False)


def test_the_first_provider_with_a_key_is_the_default_and_the_demo_stays() -> None:
    models = ConfiguredModels(Providers(openai_api_key="k", google_api_key="k"))
    assert models.default.startswith("openai/")
    assert {name.partition("/")[0] for name in models.names()} == {"openai", "google", "demo"}
    assert models.names()[0] == models.default


def test_the_operators_default_comes_first() -> None:
    models = ConfiguredModels(Providers(llm_base_url="http://127.0.0.1:1/v1", default_model="llm/qwen3"))
    assert models.names() == ("llm/qwen3", "demo")
    models.check("llm/anything", has_own_key=False)


@pytest.mark.parametrize("model", ["", "gpt", "openai/", "acme/gpt", "x" * 300])
def test_unknown_models_are_refused(model: str) -> None:
    models = ConfiguredModels(Providers(openai_api_key="k"))
    with pytest.raises(UnknownModel):
        models.check(model, has_own_key=True)
    with pytest.raises(UnknownModel):
        models.open(model)


def test_a_key_is_needed_the_installations_or_ones_own() -> None:
    models = ConfiguredModels(Providers())
    with pytest.raises(NoModelKey):
        models.check("anthropic/claude-opus-5-5", has_own_key=False)
    models.check("anthropic/claude-opus-5-5", has_own_key=True)
    with pytest.raises(UnknownModel):
        models.check("llm/qwen3", has_own_key=True)


async def test_adapters_are_kept() -> None:
    models = ConfiguredModels(Providers(openai_api_key="k"))
    assert models.open("openai/a") is models.open("openai/b")
    assert models.open("openai/a") is not models.open("anthropic/a")
    await models.close()


async def test_a_start_can_load_what_the_first_call_needs() -> None:
    await ConfiguredModels(Providers()).warm()
    models = ConfiguredModels(Providers(openai_api_key="k"))
    await models.warm()
    assert "openai" in sys.modules
    await models.close()


def test_a_key_is_in_no_representation() -> None:
    assert "canary" not in repr(Providers("canary", "", "canary", "", "canary", "canary"))


def test_a_start_does_not_load_the_providers_clients() -> None:
    code = (
        "import sys; sys.path[:0] = ['.', 'gen/python']; import services.sessions.backends.models; "
        "print(sorted({'openai', 'anthropic', 'genai_prices'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert done.stdout.strip() == "[]"
