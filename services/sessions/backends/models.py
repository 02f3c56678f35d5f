"""The models of this installation, by what the operator has configured."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

from services.sessions.backends.anthropic import AnthropicModel
from services.sessions.backends.demo import DEMO, PAUSE_SECONDS, WORDS_PER_SECOND, DemoModel
from services.sessions.backends.openai import OpenAIModel
from services.sessions.backends.pricing import priced
from services.sessions.domain.conversation import UsagePiece
from services.sessions.domain.errors import NoModelKey, UnknownModel
from services.sessions.ports import LanguageModel

GEMINI_URL = "https://generativelanguage.googleapis.com/v1beta/openai/"
# Gemini refuses earlier calls without the signature of its thought; this is its own word for "made elsewhere".
GEMINI_CALLS = {"extra_content": {"google": {"thought_signature": "skip_thought_signature_validator"}}}
_OFFERED = {
    "anthropic": ("anthropic/claude-sonnet-5-5", "anthropic/claude-opus-5-5", "anthropic/claude-haiku-5-5"),
    "openai": ("openai/gpt-6.1-sol", "openai/gpt-6.1-terra", "openai/gpt-5.4-mini"),
    "google": ("google/gemini-3.8-flash", "google/gemini-2.5-pro", "google/gemini-2.5-flash"),
    "llm": (),
}


@dataclass(frozen=True)
class Providers:
    """Keys and addresses; an empty address is the provider's own. `llm_base_url`: any OpenAI-compatible server."""

    anthropic_api_key: str = field(default="", repr=False)
    anthropic_base_url: str = ""
    openai_api_key: str = field(default="", repr=False)
    openai_base_url: str = ""
    google_api_key: str = field(default="", repr=False)
    llm_api_key: str = field(default="", repr=False)
    llm_base_url: str = ""
    default_model: str = ""
    fallback_model: str = ""


class _Adapter(LanguageModel, Protocol):
    async def warm(self) -> None: ...
    async def close(self) -> None: ...


class ConfiguredModels:
    """The Models port. Adapters are made when they are first needed, and kept with their connections."""

    def __init__(
        self, providers: Providers, demo_words_per_second: float = WORDS_PER_SECOND, demo_pause: float = PAUSE_SECONDS
    ) -> None:
        self._providers = providers
        self._demo = DemoModel(demo_words_per_second, demo_pause)
        self._adapters: dict[str, _Adapter] = {}

    @property
    def default(self) -> str:
        """The operator's choice, else the first provider with a key, else the demo."""
        return self._providers.default_model or self._offered()[0]

    @property
    def fallback(self) -> str:
        """The operator's choice."""
        return self._providers.fallback_model

    def names(self) -> tuple[str, ...]:
        """Those to choose from, the default first. Others of a known provider are accepted too."""
        return tuple(dict.fromkeys((self.default, *self._offered())))

    def check(self, model: str, has_own_key: bool) -> None:
        """Raises UnknownModel or NoModelKey."""
        if model == DEMO:
            return
        provider, _, name = model.partition("/")
        if provider not in _OFFERED or not name:
            raise UnknownModel(f"There is no model {model[:100]!r} here.", model=model[:100])
        if not has_own_key and not self._configured(provider):
            raise NoModelKey(f"There is no key for {provider} here.", provider=provider)
        if provider == "llm" and not self._providers.llm_base_url:
            raise UnknownModel("LLM_BASE_URL is not set, so there is no server for this model.", model=model[:100])

    def open(self, model: str) -> LanguageModel:
        """The adapter that serves the model. Raises UnknownModel."""
        if model == DEMO:
            return self._demo
        provider = model.partition("/")[0]
        self.check(model, has_own_key=True)
        if provider not in self._adapters:
            self._adapters[provider] = _MAKERS[provider](self._providers)
        return self._adapters[provider]

    def price(self, model: str, usage: UsagePiece) -> UsagePiece:
        """The usage with its cost, where the model's price is known."""
        if model == DEMO:
            return replace(usage, price_known=True)
        provider, _, name = model.partition("/")
        return priced(usage, provider, name, own_server=self._is_own(provider))

    def _is_own(self, provider: str) -> bool:
        return _own(getattr(self._providers, f"{provider}_base_url", ""), provider)

    async def warm(self) -> None:
        """Loads, in the background of a start, what the default model's first call needs."""
        self.open(self.default)
        adapter = self._adapters.get(self.default.partition("/")[0])
        if adapter is not None:
            await adapter.warm()

    async def close(self) -> None:
        """Lets connections go."""
        for adapter in self._adapters.values():
            await adapter.close()
        self._adapters.clear()

    def _offered(self) -> list[str]:
        return [*(name for provider in _OFFERED if self._configured(provider) for name in _OFFERED[provider]), DEMO]

    def _configured(self, provider: str) -> bool:
        settings = self._providers
        return bool(
            {
                "anthropic": settings.anthropic_api_key,
                "openai": settings.openai_api_key,
                "google": settings.google_api_key,
                "llm": settings.llm_base_url,
            }[provider]
        )


def _own(base_url: str, provider: str) -> bool:
    """Whether this is the provider's own server: what another one asks for its answers, nobody here knows."""
    return provider in _HOSTS and (not base_url or urlsplit(base_url).hostname == _HOSTS[provider])


_HOSTS = {
    "anthropic": "api.anthropic.com",
    "openai": "api.openai.com",
    "google": "generativelanguage.googleapis.com",
}
_MAKERS: dict[str, Callable[[Providers], _Adapter]] = {
    "anthropic": lambda p: AnthropicModel(
        p.anthropic_api_key, p.anthropic_base_url, own_server=_own(p.anthropic_base_url, "anthropic")
    ),
    "openai": lambda p: OpenAIModel(
        "OpenAI",
        p.openai_api_key,
        p.openai_base_url,
        price_list="openai",
        own_server=_own(p.openai_base_url, "openai"),
    ),
    "google": lambda p: OpenAIModel("Google", p.google_api_key, GEMINI_URL, "google", GEMINI_CALLS),
    "llm": lambda p: OpenAIModel("The model server", p.llm_api_key, p.llm_base_url),
}
