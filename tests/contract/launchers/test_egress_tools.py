"""pip, npm, cargo, go, maven, git and curl in a sandbox fetch a package from an allowed registry, just so.

Nothing but the registry's address is told to them: proxy and certificates they find by themselves. Tried is what the
image's list of packages promises, and under bubblewrap what this machine has.
"""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from services.sandbox.backends.egress.limits import DEFAULT
from tests.contract.launchers.egress_ground import HOST, Ground, egress_ground
from tests.fakes.registries import GO_MODULE, NAME, VERSION, fill

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROMISED = (Path(__file__).parents[3] / "deploy" / "sandbox" / "packages.txt").read_text().split()
POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    f"<parent><groupId>test.lucid</groupId><artifactId>{NAME}</artifactId><version>{VERSION}</version>"
    "<relativePath/></parent><artifactId>child</artifactId><packaging>pom</packaging>"
    "<repositories><repository><id>stand-in</id><url>https://{at}/maven</url></repository></repositories></project>"
)
# What is run, and what the registry must have been asked for.
TOOLS = {
    "curl": ("curl -sSf https://{at}/hello", "/hello"),
    "git": (f"git clone -q https://{{at}}/{NAME}.git c && cat c/word.txt", f"/{NAME}.git/info/refs"),
    "pip": (
        "python3 -m venv v && v/bin/pip -q install --index-url https://{at}/simple/ "
        f"{NAME} && v/bin/python -c 'import {NAME}; print({NAME}.WORD)'",
        f"/files/{NAME}-{VERSION}-py3-none-any.whl",
    ),
    "npm": (
        f"npm install --silent --no-audit --no-fund --registry https://{{at}}/npm/ {NAME} && "
        f"node -p 'require(\"{NAME}\")'",
        f"/npm/{NAME}/-/{NAME}-{VERSION}.tgz",
    ),
    "cargo": (
        'mkdir src && echo >src/lib.rs && printf \'[package]\\nname="c"\\nversion="0.1.0"\\n[dependencies]\\n'
        f'{NAME}={{{{version="1",registry="t"}}}}\\n\' >Cargo.toml && '
        "export CARGO_REGISTRIES_T_INDEX=sparse+https://{at}/cargo/ CARGO_HOME=$PWD/h && "
        "cargo vendor -q v >/dev/null && "
        f"cat v/{NAME}/src/lib.rs",
        f"/crates/{NAME}-{VERSION}.crate",
    ),
    "go": (
        "export GOPROXY=https://{at}/go GONOSUMDB=* GONOSUMCHECK=1 GOFLAGS=-mod=mod GOSUMDB=off && go mod init c && "
        f"go mod download -x {GO_MODULE}@v{VERSION} && cat $(go env GOMODCACHE)/{GO_MODULE}@v{VERSION}/word.go",
        f"/go/{GO_MODULE}/@v/v{VERSION}.zip",
    ),
    "mvn": (
        "mvn -q -B -Dmaven.repo.local=$PWD/m2 validate && find m2 -name '*.pom'",
        f"/maven/test/lucid/{NAME}/{VERSION}/{NAME}-{VERSION}.pom",
    ),
}
# What of an image's list of packages, and which program of this machine, stands for a tool.
PACKAGES = {"pip": "python3-venv", "go": "golang-go", "mvn": "maven"}
PROGRAMS = {"pip": "python3"}
SEEN = "/usr/local/bin:/usr/bin:/bin"


def cases() -> list[Any]:
    """Every tool that the image promises, and every one of this machine that is seen in a sandbox."""
    here = [tool for tool in TOOLS if shutil.which(PROGRAMS.get(tool, tool), path=SEEN)]
    promised = [tool for tool in TOOLS if PACKAGES.get(tool, tool) in PROMISED]
    return [
        *(pytest.param("bubblewrap", tool, id=f"bubblewrap-{tool}") for tool in here),
        *(pytest.param("docker", tool, id=f"docker-{tool}", marks=pytest.mark.docker) for tool in promised),
    ]


@pytest.fixture(scope="module", params=["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)])
def backend(request: pytest.FixtureRequest) -> str:
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    folder = tmp_path_factory.mktemp("tools")
    async with egress_ground(backend, folder, DEFAULT, memory_limit="1g") as made:
        fill(made.server, f"{HOST}:{made.port}", folder)
        yield made


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("backend", "tool"), cases(), indirect=["backend"], scope="module")
async def test_a_package_is_fetched(ground: Ground, backend: str, tool: str) -> None:
    command, asked = TOOLS[tool]
    at = f"{HOST}:{ground.port}"
    if tool == "mvn":
        await ground.bench.create("mvn/pom.xml", POM.replace("{at}", at))
    ran = await ground.bench.run(f"mkdir -p {tool} && cd {tool} && " + command.format(at=at), cwd="/workspace")
    assert ran.exit.exit_code == 0, ran.output.decode(errors="replace")
    assert f"GET {asked}" in ground.server.seen
    assert ran.refusals == []


async def test_the_tools_that_every_machine_has_are_tried_in_both() -> None:
    tried = {case.id for case in cases()}
    assert {f"{place}-{tool}" for place in ("bubblewrap", "docker") for tool in ("curl", "git", "pip")} <= tried


async def test_nobody_may_be_called_that_is_not_listed(ground: Ground) -> None:
    """As pip sees it: the registry's own words in its output, and the refusal beside it."""
    venv = "test -d pip/v || (mkdir -p pip && python3 -m venv pip/v)"
    pip = "pip/v/bin/pip install --retries 0 --index-url https://elsewhere.example/simple/ x"
    ran = await ground.bench.run(f"{venv}; {pip}", cwd="/workspace")
    assert ran.exit.exit_code == 1
    assert ran.refusals == [("elsewhere.example", 443, "NOT_ALLOWED")]


async def test_the_gate_is_called_past_the_proxy(ground: Ground) -> None:
    ran = await ground.bench.run("git ls-remote http://127.0.0.1:3129/local/a/b.git; curl -sS http://127.0.0.1:3129/")
    assert ran.refusals == []
