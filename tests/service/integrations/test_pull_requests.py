"""Pull requests: one per branch, always; on the local provider read and merged."""

import asyncio

import pytest
from lucid.integrations.v1 import integrations_pb2 as pb

from services.rpc.status import RemoteError
from tests.fakes.github import Failure
from tests.service.integrations.conftest import PROJECT, GitHubSite, House, Site
from tests.service.integrations.gate_road import SESSION

BRANCH = f"lucid/{SESSION}/fix"


def wish(key: str = "key-1", **fields: object) -> pb.OpenPullRequestRequest:
    values = {"key": key, "session_id": SESSION, "title": "Pad the seconds", "body": "Closes it.", "epoch": 1}
    return pb.OpenPullRequestRequest(**(values | fields))  # type: ignore[arg-type]


async def pushed(site: Site) -> str:
    tree = await site.clone()
    commit = await site.shop.commit(tree, BRANCH)
    await site.shop.must("push", "-q", "origin", BRANCH, cwd=tree)
    return commit


async def reason_of(call: object) -> str:
    with pytest.raises(RemoteError) as refused:
        await call  # type: ignore[misc]
    return refused.value.reason


async def test_opened_from_the_branch_pushed_last(site: Site) -> None:
    await pushed(site)
    answer = await site.house.service.open_pull_request(wish())
    made = answer.pull_request
    assert (made.provider, made.repo, made.number, made.head, made.base) == ("local", PROJECT, 1, BRANCH, "main")
    assert made.url == f"http://127.0.0.1:8000/pulls/local/{PROJECT}/1"
    assert made.state == pb.PullRequest.STATE_OPEN
    assert not answer.existed


async def test_the_same_key_gives_the_first_answer(site: Site) -> None:
    await pushed(site)
    first = await site.house.service.open_pull_request(wish())
    again = await site.house.service.open_pull_request(wish(title="Other words"))
    assert again == first


async def test_twenty_at_once_make_one(site: Site) -> None:
    await pushed(site)
    calls = [site.house.service.open_pull_request(wish(f"key-{number % 4}")) for number in range(20)]
    assert {answer.pull_request.number for answer in await asyncio.gather(*calls)} == {1}


async def test_before_a_push(site: Site) -> None:
    assert await reason_of(site.house.service.open_pull_request(wish())) == "BRANCH_NOT_PUSHED"
    other = wish(branch=f"lucid/{SESSION}/other")
    assert await reason_of(site.house.service.open_pull_request(other)) == "BRANCH_NOT_PUSHED"
    assert await reason_of(site.house.service.open_pull_request(wish(branch="main"))) == "BRANCH_NOT_PUSHED"


async def test_without_a_gate(house: House) -> None:
    assert await reason_of(house.service.open_pull_request(wish())) == "GATE_NOT_FOUND"


async def test_lower_epochs_are_fenced(site: Site) -> None:
    await pushed(site)
    await site.house.open_gate(epoch=5, provider="local", full_name=PROJECT)
    assert await reason_of(site.house.service.open_pull_request(wish(epoch=4))) == "FENCED"
    assert await reason_of(site.house.open_gate(epoch=4, provider="local", full_name=PROJECT)) == "FENCED"
    await site.house.service.open_pull_request(wish(epoch=6))
    assert await reason_of(site.house.open_gate(epoch=5, provider="local", full_name=PROJECT)) == "FENCED"


async def test_read_with_diff_and_merge(site: Site) -> None:
    commit = await pushed(site)
    await site.house.service.open_pull_request(wish())
    named = pb.GetPullRequestRequest(repo=PROJECT, number=1)
    before = await site.house.person.get_pull_request(named)
    assert before.mergeable
    assert (before.pull_request.added, before.pull_request.removed) == (1, 0)
    assert "+hello" in before.unified_diff
    assert [(one.commit, one.subject, one.author) for one in before.commits] == [(commit, "Add note.txt", "Agent")]
    merge = pb.MergePullRequestRequest(repo=PROJECT, number=1)
    merged = await site.house.person.merge_pull_request(merge)
    assert merged.pull_request.state == pb.PullRequest.STATE_MERGED
    assert await site.house.person.merge_pull_request(merge) == merged
    tree = site.shop.folder / "tree"
    await site.shop.must("fetch", "-q", "origin", cwd=tree)
    assert (await site.shop.must("rev-parse", "origin/main", cwd=tree)).strip() == merged.commit
    assert await site.shop.must("show", "origin/main:note.txt", cwd=tree) == "hello\n"
    after = await site.house.person.get_pull_request(named)
    assert after.unified_diff == before.unified_diff
    assert after.commits == before.commits
    assert not after.mergeable


async def test_merged_at_once_from_many_sides_is_merged_once(site: Site) -> None:
    await pushed(site)
    await site.house.service.open_pull_request(wish())
    merge = pb.MergePullRequestRequest(repo=PROJECT, number=1)
    answers = await asyncio.gather(*(site.house.person.merge_pull_request(merge) for _ in range(5)))
    assert len({answer.commit for answer in answers}) == 1
    tree = site.shop.folder / "tree"
    await site.shop.must("fetch", "-q", "origin", cwd=tree)
    assert (await site.shop.must("rev-list", "--merges", "--count", "origin/main", cwd=tree)).strip() == "1"


async def test_conflicts_are_not_merged(site: Site) -> None:
    tree = await site.clone()
    for name, text in (("a", "one\n"), ("b", "two\n")):
        await site.shop.must("checkout", "-q", "origin/main", cwd=tree)
        await site.shop.commit(tree, f"lucid/{SESSION}/{name}", text=text)
    await site.shop.must("push", "-q", "origin", "refs/heads/lucid/*:refs/heads/lucid/*", cwd=tree)
    for number, name in enumerate("ab"):
        await site.house.service.open_pull_request(wish(f"key-{number}", branch=f"lucid/{SESSION}/{name}"))
    await site.house.person.merge_pull_request(pb.MergePullRequestRequest(repo=PROJECT, number=1))
    assert not (await site.house.person.get_pull_request(pb.GetPullRequestRequest(repo=PROJECT, number=2))).mergeable
    second = site.house.person.merge_pull_request(pb.MergePullRequestRequest(repo=PROJECT, number=2))
    assert await reason_of(second) == "MERGE_CONFLICT"


async def test_what_is_not_there(house: House) -> None:
    for repo, reason in ((PROJECT, "PULL_REQUEST_NOT_FOUND"), ("lucid/none", "PULL_REQUEST_NOT_FOUND")):
        assert await reason_of(house.person.get_pull_request(pb.GetPullRequestRequest(repo=repo, number=9))) == reason
        assert (
            await reason_of(house.person.merge_pull_request(pb.MergePullRequestRequest(repo=repo, number=9))) == reason
        )


async def test_a_person_opens_one_and_it_is_adopted(site: Site) -> None:
    await pushed(site)
    request = pb.CreatePullRequestRequest(
        provider="local", repository_url=site.opened.repository.url, branch=BRANCH, title="By hand"
    )
    first = await site.house.person.create_pull_request(request)
    again = await site.house.person.create_pull_request(request)
    assert (first.existed, again.existed) == (False, True)
    assert again.pull_request == first.pull_request
    session = await site.house.service.open_pull_request(wish())
    assert (session.existed, session.pull_request.number) == (True, 1)


async def test_a_person_names_no_branch_that_exists(site: Site) -> None:
    request = pb.CreatePullRequestRequest(
        provider="local", repository_url=site.opened.repository.url, branch="nothing", title="By hand"
    )
    assert await reason_of(site.house.person.create_pull_request(request)) == "BRANCH_NOT_PUSHED"
    nothing_new = pb.CreatePullRequestRequest(
        provider="local", repository_url=site.opened.repository.url, branch="main", title="By hand"
    )
    assert await reason_of(site.house.person.create_pull_request(nothing_new)) == "PULL_REQUEST_REFUSED"


PULLS = "/repos/ada/secret/pulls"


async def test_at_github(github_site: GitHubSite) -> None:
    await pushed(github_site)
    answer = await github_site.house.service.open_pull_request(wish(draft=True))
    assert not answer.existed
    assert answer.pull_request.draft
    assert answer.pull_request.url == f"{github_site.github.url}/ada/secret/pull/1"
    assert [pull["head"]["ref"] for pull in github_site.github.pulls] == [BRANCH]


@pytest.mark.parametrize(
    "failure",
    [
        Failure("after", PULLS, "POST"),
        Failure("cut", PULLS, "POST"),
        Failure("reset", PULLS, "POST"),
        Failure("status", PULLS, "POST", status=502),
        Failure("status", PULLS, "POST", status=201, body="<html>"),
        Failure("status", PULLS, "POST", status=500, times=2),
    ],
)
async def test_exactly_one_after_a_doubtful_failure(github_site: GitHubSite, failure: Failure) -> None:
    await pushed(github_site)
    github_site.github.failures.append(failure)
    answer = await github_site.house.service.open_pull_request(wish())
    assert len(github_site.github.pulls) == 1
    assert (answer.pull_request.number, answer.existed) == (1, False)
    assert await github_site.house.service.open_pull_request(wish()) == answer
    assert len(github_site.github.pulls) == 1


async def test_still_doubtful_is_looked_up_at_the_next_call(github_site: GitHubSite) -> None:
    await pushed(github_site)
    github_site.github.failures.append(Failure("cut", PULLS, "POST"))
    github_site.github.failures.append(Failure("status", PULLS, "GET", status=500))
    assert await reason_of(github_site.house.service.open_pull_request(wish())) == "PROVIDER_UNAVAILABLE"
    assert len(github_site.github.pulls) == 1
    answer = await github_site.house.service.open_pull_request(wish())
    assert (answer.pull_request.number, answer.existed) == (1, False)
    assert len(github_site.github.pulls) == 1


async def test_one_that_is_open_is_adopted(github_site: GitHubSite) -> None:
    await pushed(github_site)
    first = await github_site.house.service.open_pull_request(wish("key-1"))
    second = await github_site.house.service.open_pull_request(wish("key-2"))
    assert second.existed
    assert second.pull_request == first.pull_request
    assert len(github_site.github.pulls) == 1


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure("status", PULLS, "POST", status=401), "TOKEN_REFUSED"),
        (Failure("status", PULLS, "POST", status=403), "PROVIDER_FORBIDDEN"),
        (Failure("rate", PULLS, "POST"), "PROVIDER_UNAVAILABLE"),
        (Failure("status", PULLS, "POST", status=422, body='{"message": "x"}'), "PULL_REQUEST_REFUSED"),
    ],
)
async def test_clear_failures_can_be_tried_again(github_site: GitHubSite, failure: Failure, reason: str) -> None:
    await pushed(github_site)
    github_site.github.failures.append(failure)
    assert await reason_of(github_site.house.service.open_pull_request(wish())) == reason
    assert github_site.github.pulls == []
    assert (await github_site.house.service.open_pull_request(wish())).pull_request.number == 1


async def test_a_push_whose_answer_was_lost_is_found_at_the_provider(github_site: GitHubSite) -> None:
    from tests.fakes.git_host import git

    repository = github_site.github.repositories["ada/secret"]
    tree = git(repository.path, "rev-parse", "main^{tree}")
    commit = git(repository.path, "commit-tree", tree, "-p", repository.branch("main"), given=b"Work\n")
    git(repository.path, "update-ref", f"refs/heads/{BRANCH}", commit)
    answer = await github_site.house.service.open_pull_request(wish(branch=BRANCH))
    assert answer.pull_request.head == BRANCH
