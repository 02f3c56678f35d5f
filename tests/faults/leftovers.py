"""What there is of sandboxes on the machine, beside what the product knows of."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from services.sandbox.backends.run_folder import short_name
from tests.grounds.product import Product
from tests.grounds.second_engine import SecondEngine

FOLDERS = ("run", "helpers", "sandboxes")


class Leftovers:
    """Of one product, on one engine (None: bubblewrap). `asked_for`: ids of all sandboxes that there ever were."""

    def __init__(self, product: Product, engine: SecondEngine | None, asked_for: set[str]) -> None:
        self._asked_for = asked_for
        self._data = product.data_dir
        self._engine = engine

    async def unknown(self) -> list[str]:
        """Everything that belongs to no sandbox that has a row."""
        return await asyncio.to_thread(self._beside, self._known())

    async def anything(self) -> list[str]:
        """Everything, once no sandbox is known any more: there must be no row either."""
        known = self._known()
        return [f"still known: {body}" for body in sorted(known)] + await asyncio.to_thread(self._beside, set())

    def _known(self) -> set[str]:
        """Ids, and what they go by on this machine."""
        with closing(sqlite3.connect(f"file:{self._data}/sandbox.db?mode=ro", uri=True)) as rows:
            claimed = rows.execute("SELECT sandbox_id, warm_id FROM sandboxes").fetchall()
            warm = rows.execute("SELECT warm_id FROM warm_sandboxes").fetchall()
        return {name for row in (*claimed, *warm) for name in row if name}

    def _beside(self, known: set[str]) -> list[str]:
        short = {short_name(body) for body in known}
        wrong = [f"folder {path.parent.name}/{path.name}" for path in self._folders() if path.name not in known | short]
        wrong += [f"process {pid}: {body}" for pid, body in self._processes() if body not in known]
        if self._engine is not None:
            wrong += [f"on the engine: {thing}" for thing, body in self._on_engine(self._engine) if body not in known]
        return wrong

    def _folders(self) -> list[Path]:
        found = [path for name in FOLDERS for path in (self._data / name).glob("*")]
        return [path for path in found if path.is_dir()]

    def _processes(self) -> list[tuple[int, str]]:
        """Those of sandboxes that were ever asked for here, by the mark that all carry; bubblewrap's by their words."""
        folder, found = f"{self._data}/sandboxes/", []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    arguments = (entry / "cmdline").read_text(errors="replace")
                    mark = (entry / "environ").read_text(errors="replace").partition("LUCID_COMMAND=")[2]
                except OSError:
                    continue
                if folder in arguments:
                    found.append((int(entry.name), arguments.partition(folder)[2].partition("/")[0]))
                elif (whose := mark.partition("/")[0]) in self._asked_for:
                    found.append((int(entry.name), whose))
        return found

    def _on_engine(self, engine: SecondEngine) -> list[tuple[str, str]]:
        client = engine.client()
        try:
            containers = client.api.containers(all=True)
            volumes = client.api.volumes().get("Volumes") or []
        finally:
            client.close()
        found = [(f"container {c['Names'][0]}", c["Labels"]) for c in containers]
        found += [(f"volume {v['Name']}", v["Labels"] or {}) for v in volumes]
        # The toolbox belongs to the engine: it is for all sandboxes that ever come.
        return [(thing, labels.get("lucid.sandbox", "")) for thing, labels in found if "lucid.toolbox" not in labels]
