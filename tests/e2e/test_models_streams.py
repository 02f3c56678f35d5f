"""Both protocols, by the official clients, drive a whole session; a stream that breaks is never seen twice."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from lucid.sessions.v1 import sessions_pb2 as pb
from lucid.sessions.v1.event_pb2 import (
    CHANNEL_MESSAGE,
    CHANNEL_THOUGHT,
    Error,
    Event,
    Frame,
    TextCompleted,
    TurnCompleted,
)

from tests.fakes.model_server import ModelServer, Say
from tests.fakes.viewer import Viewer
from tests.grounds.person import Person, turn_ended
from tests.grounds.product import Product, StartProduct

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
MODELS = {"openai": "openai/gpt-5", "anthropic": "anthropic/claude-sonnet-5-5"}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
HELLO = {"command": "create", "path": "hello.py", "content": "print('hello from the file')\n"}
WORK = [
    Say("I write it first. ", calls=[("edit_file", HELLO)], reasoning="They want a greeting. "),
    Say("Then I run it twice. ", calls=[("run_command", {"command": "python3 hello.py"})]),
]
END = Say("It greets — “grüß Gott” — and ends. ", calls=[("finish", {"summary": "It greets."})])


def environment(model: ModelServer) -> dict[str, str]:
    """Both providers at the stand-in."""
    openai = {"OPENAI_BASE_URL": f"{model.url}/v1", "OPENAI_API_KEY": "sk-1"}
    return openai | {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "sk-ant-1", "SANDBOX_BACKEND": "bubblewrap"}


class Stage:
    """A product and its models, shared by the tests of this file; each of them plays a piece of its own."""

    def __init__(self, product: Product, model: ModelServer) -> None:
        self.product, self.model = product, model

    def play(self, *answers: Say) -> None:
        """From here on the model gives these answers, the last one again and again."""
        waiting = list(answers)
        self.model.requests.clear()
        self.model.script = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@pytest.fixture(scope="module")
def stage(module_products: StartProduct) -> Iterator[Stage]:
    with ModelServer([END]) as model:
        yield Stage(module_products(env=environment(model)), model)


class Shown:
    """Every byte of text that a watcher was sent, by item: more than once would be seen twice."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = defaultdict(bytes)

    def __call__(self, frame: Frame) -> bool:
        delta = frame.delta
        if frame.HasField("delta") and delta.channel in (CHANNEL_THOUGHT, CHANNEL_MESSAGE):
            assert delta.offset == len(self.bytes[delta.item_id]), "bytes were sent twice, or left out"
            self.bytes[delta.item_id] += delta.data
        return turn_ended(frame)


def texts(events: list[Event]) -> list[TextCompleted]:
    return [event.text_completed for event in events if event.HasField("text_completed")]


async def follow(person: Person, session_id: str) -> tuple[Viewer, Shown]:
    viewer, shown = Viewer(session_id), Shown()
    await person.follow(viewer, shown)
    for event in viewer.events:
        if event.HasField("text_completed"):
            assert event.text_completed.text.encode().startswith(shown.bytes[event.item_id])
    return viewer, shown


@pytest.mark.parametrize("provider", MODELS)
async def test_a_stream_drives_a_whole_session(start_product: StartProduct, provider: str) -> None:
    with ModelServer([*WORK, END]) as model:
        person = Person(start_product(apart=provider == "anthropic", env=environment(model)))
        session = await person.create("Write a greeting.", model=MODELS[provider])
        viewer, _ = await follow(person, session.session_id)
        ended = viewer.events[-1].turn_completed
        assert (ended.outcome, ended.summary) == (TurnCompleted.OUTCOME_DONE, "It greets.")
        said = "".join(text.text for text in texts(viewer.events))
        assert said == WORK[0].reasoning + WORK[0].text + WORK[1].text + END.text
        (ran,) = [event.command_completed for event in viewer.events if event.HasField("command_completed")]
        assert (ran.exit_code, ran.head) == (0, b"hello from the file\n")
        assert [request.path for request in model.requests] == [PATHS[provider]] * 3
        usages = [event.usage for event in viewer.events if event.HasField("usage")]
        assert [(usage.input_tokens, usage.output_tokens) for usage in usages] == [(100, 20)] * 3
        assert answered(model.requests[-1].body) == 2


def answered(body: dict[str, Any]) -> int:
    """Results of tools that a request tells the model of, in either protocol."""
    blocks = [block for message in body["messages"] for block in message["content"] if isinstance(block, dict)]
    openai = sum(1 for message in body["messages"] if message["role"] == "tool")
    return openai + sum(1 for block in blocks if block.get("type") == "tool_result")


@pytest.mark.parametrize("fault", ["cut", "end", "error_event"])
@pytest.mark.parametrize("provider", MODELS)
async def test_a_broken_stream_is_tried_again_and_seen_once(stage: Stage, provider: str, fault: str) -> None:
    long = "".join(f"piece-{number} " for number in range(40))
    broken = Say(long, calls=[("run_command", {"command": "echo ran >> /workspace/ran"})], delay=0.01, fault=fault)
    whole = Say(long, calls=[("run_command", {"command": "echo ran >> /workspace/ran; cat /workspace/ran"})])
    stage.play(broken, whole, END)
    person = Person(stage.product)
    session = await person.create("Go.", model=MODELS[provider])
    viewer, shown = await follow(person, session.session_id)
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_DONE
    taken_back, *kept = texts(viewer.events)
    assert taken_back.reset
    assert "piece-3 " in taken_back.text
    assert "piece-39 " not in taken_back.text
    assert "".join(text.text for text in kept) == long + END.text
    assert not any(text.reset for text in kept)
    assert sum(map(len, shown.bytes.values())) <= sum(len(text.text.encode()) for text in [taken_back, *kept])
    outputs = [event.command_completed.head for event in viewer.events if event.HasField("command_completed")]
    assert outputs == [b"ran\n"]
    # The model is not told of what it had not finished saying.
    assert str(stage.model.requests[-1].body).count("piece-7 ") == 1


@pytest.mark.parametrize("provider", MODELS)
async def test_a_refused_key_gives_a_card(stage: Stage, provider: str) -> None:
    """It says where to go, once, without the provider's own words; a message tries again."""
    stage.play(Say(fault="401"), END)
    person = Person(stage.product)
    session = await person.create("Go.", model=MODELS[provider])
    viewer, _ = await follow(person, session.session_id)
    (error,) = [event.error for event in viewer.events if event.HasField("error")]
    assert (error.kind, error.code) == (Error.KIND_AUTH, "MODEL_KEY_REFUSED")
    assert error.user_action == Error.USER_ACTION_OPEN_SETTINGS
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_FAILED
    assert len(stage.model.requests) == 1
    assert "raw-provider-detail" not in str(viewer.events) + stage.product.log
    await person.sessions.send_message(pb.SendMessageRequest(session_id=session.session_id, text="Again."))
    await person.follow(viewer, turn_ended)
    assert viewer.events[-1].turn_completed.outcome == TurnCompleted.OUTCOME_DONE
