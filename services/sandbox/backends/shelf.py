"""The files of checkpoints: `<data>/checkpoints/<sandbox>/<checkpoint>.tar.gz`. Bytes to us; nothing here opens one."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from services.sandbox.domain.errors import CheckpointNotFound


class CheckpointShelf:
    """See ports.Shelf."""

    def __init__(self, data_dir: Path) -> None:
        self._root = data_dir / "checkpoints"

    async def put(self, sandbox_id: str, checkpoint_id: str, parts: AsyncIterator[bytes]) -> int:
        """See ports.Shelf."""
        path = self._path(sandbox_id, checkpoint_id)
        await asyncio.to_thread(path.parent.mkdir, mode=0o700, parents=True, exist_ok=True)
        unfinished = path.with_suffix(".new")
        size = 0
        try:
            with await asyncio.to_thread(unfinished.open, "wb") as file:
                async for part in parts:
                    size += await asyncio.to_thread(file.write, part)
                await asyncio.to_thread(file.flush)
                await asyncio.to_thread(os.fsync, file.fileno())
            await asyncio.to_thread(unfinished.rename, path)
        finally:
            await asyncio.to_thread(unfinished.unlink, missing_ok=True)
        return size

    async def size(self, sandbox_id: str, checkpoint_id: str) -> int:
        """See ports.Shelf."""
        try:
            return (await asyncio.to_thread(self._path(sandbox_id, checkpoint_id).stat)).st_size
        except OSError as error:
            raise CheckpointNotFound from error

    async def read(self, sandbox_id: str, checkpoint_id: str, offset: int, limit: int) -> bytes:
        """See ports.Shelf."""
        try:
            return await asyncio.to_thread(_range, self._path(sandbox_id, checkpoint_id), offset, limit)
        except OSError as error:
            raise CheckpointNotFound from error

    async def remove(self, sandbox_id: str, checkpoint_id: str) -> None:
        """See ports.Shelf."""
        await asyncio.to_thread(self._path(sandbox_id, checkpoint_id).unlink, missing_ok=True)

    async def clear(self, sandbox_id: str) -> None:
        """See ports.Shelf."""
        await asyncio.to_thread(shutil.rmtree, self._root / sandbox_id, ignore_errors=True)

    def _path(self, sandbox_id: str, checkpoint_id: str) -> Path:
        return self._root / sandbox_id / f"{checkpoint_id}.tar.gz"


def _range(path: Path, offset: int, limit: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(limit)
