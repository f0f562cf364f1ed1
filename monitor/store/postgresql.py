"""PostgreSQL, which several services may share; through asyncpg, on the loop."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg  # type: ignore[import-untyped]
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from monitor.store.faults import Unreachable, said

T = TypeVar("T")

NAME = "diemcau"
CONNECT_S = 4.0
WITHIN_S = 5.0
"""Whatever takes longer is given up: nobody waits for it any more."""
TURN = text("""
    SELECT set_config('lock_timeout', '4s', true),
           set_config('idle_in_transaction_session_timeout', '10s', true),
           set_config('synchronous_commit', CASE current_setting('synchronous_commit')
               WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, true),
           pg_advisory_xact_lock(7269)
""")
"""Of all services one writes at a time: numbers have no gaps, no two wait for each other's rows, and ids become visible
in their order. One that has frozen loses its turn. What is committed is on disk, whatever the server's default."""
OTHERS = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = :name AND datname = current_database() AND pid <> pg_backend_pid()
""")


class Postgresql:
    """A database of a server."""

    def __init__(self, url: URL) -> None:
        connecting = {"timeout": CONNECT_S, "server_settings": {"application_name": NAME}}
        self.engine = create_async_engine(
            url, pool_pre_ping=True, pool_size=4, max_overflow=4, pool_timeout=CONNECT_S, connect_args=connecting
        )

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Ask."""
        async with asyncio.timeout(WITHIN_S), self._connected() as connection:
            return await connection.run_sync(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Have it done in one transaction."""
        async with asyncio.timeout(WITHIN_S):
            return await self.alter(work)

    async def alter(self, work: Callable[[Connection], T]) -> T:
        """The same, however long it takes."""
        async with self._connected() as connection, connection.begin():
            await connection.execute(TURN)
            return await connection.run_sync(work)

    async def export(self, work: Callable[[Connection], T]) -> T:
        """All as it stood at one instant."""
        async with self._connected() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return await connection.run_sync(work)

    async def is_shared(self) -> bool:
        """Another one of us is connected."""
        await self.engine.dispose()
        return bool(await self.read(lambda connection: connection.execute(OTHERS, {"name": NAME}).scalar_one()))

    async def close(self) -> None:
        """Let go of the connections."""
        await self.engine.dispose()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """What the driver says before there is a connection, nobody else translates."""
        try:
            async with self.engine.connect() as connection:
                yield connection
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            raise Unreachable(said(error)) from error
