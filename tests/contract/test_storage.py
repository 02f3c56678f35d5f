"""A database that does not answer is told in our words."""

import pytest

from services.rpc.errors import Code
from services.storage.database import Database
from services.storage.errors import StoreUnavailable


async def test_a_server_that_is_away() -> None:
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(StoreUnavailable) as away:
        async with database.connect():
            pass
    assert (away.value.code, away.value.reason) == (Code.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert "127.0.0.1" not in away.value.message
    await database.dispose()
