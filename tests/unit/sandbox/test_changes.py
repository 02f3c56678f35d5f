"""What a watcher that comes back is told to have missed."""

import asyncio

from services.sandbox.backends.changes import Changes


def test_only_what_came_after_and_only_the_own() -> None:
    changes = Changes()
    changes.touch("ann", "a")
    place = changes.revision
    assert changes.since(place, "ann") == set()
    for owner, sandbox in (("ann", "b"), ("bob", "c"), ("ann", "b"), ("ann", "a")):
        changes.touch(owner, sandbox)
    assert changes.since(place, "ann") == {"a", "b"}
    assert changes.since(place, None) == {"a", "b", "c"}


def test_a_place_of_another_service_or_before_what_is_kept_is_not_known() -> None:
    changes = Changes(kept=2)
    early = changes.revision
    for sandbox in ("a", "b"):
        changes.touch("ann", sandbox)
    assert changes.since(early, "ann") == {"a", "b"}
    changes.touch("ann", "c")
    assert changes.since(early, "ann") is None
    for strange in ("", "x", f"{changes.revision}9", "01.2", changes.revision.partition(".")[0] + ".-1"):
        assert changes.since(strange, "ann") is None


async def test_a_watcher_waits_for_the_next_change() -> None:
    changes = Changes()
    waiting = asyncio.create_task(changes.after(changes.revision))
    await asyncio.sleep(0)
    assert not waiting.done()
    changes.touch("ann", "a")
    await waiting
    await changes.after("of another service")
