"""The driver and its pool, which are optional dependencies: imported here, and nowhere else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from flowtrail.errors import to_install
from flowtrail_collector.errors import ConfigurationError

if TYPE_CHECKING:
    import psycopg
    import psycopg_pool

__all__ = ["connect", "is_conflict", "new_pool", "psycopg_error"]

_CONNECTION = {
    "autocommit": True,  # whoever uses it begins and ends transactions
    "application_name": "flowtrail-collector",
    # A server that doesn't answer is noticed within seconds; a worker that froze doesn't hold its locks for ever.
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "options": "-c idle_in_transaction_session_timeout=60s -c lock_timeout=30s -c timezone=UTC",
}
# More than threads of a worker: a slow page never makes the tail wait for a connection.
_MAX_CONNECTIONS = 64
_MAX_IDLE_SECONDS = 60.0
_WAIT_SECONDS = 10.0
# serialization_failure, deadlock_detected, lock_not_available
_CONFLICTS = frozenset({"40001", "40P01", "55P03"})


def _driver() -> Any:
    try:
        import psycopg
        import psycopg_pool  # noqa: F401 - comes with the same extra
    except ImportError as error:
        raise ConfigurationError(f"a PostgreSQL store needs {error.name}: {to_install('postgres')}") from None
    return psycopg


def psycopg_error() -> type[Exception]:
    """The driver's root exception, the pool's too.

    Raises:
        ConfigurationError: The driver isn't installed.
    """
    error: type[Exception] = _driver().Error
    return error


def is_conflict(error: Exception) -> bool:
    """Whether trying again may help: two workers were in each other's way."""
    return getattr(error, "sqlstate", None) in _CONFLICTS


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection of its own.

    Raises:
        ConfigurationError: The driver isn't installed.
        psycopg.Error: No connection.
    """
    connection: psycopg.Connection[Any] = _driver().connect(url, **_CONNECTION)
    return connection


def new_pool(url: str) -> psycopg_pool.ConnectionPool[psycopg.Connection[Any]]:
    """Connections that are made when they are needed, and closed when they aren't any more.

    Raises:
        ConfigurationError: The driver isn't installed.
    """
    _driver()
    from psycopg_pool import ConnectionPool

    # Whoever needs a connection and gets none says so, once; the pool would say it each time it tries.
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    return ConnectionPool(
        url,
        kwargs=_CONNECTION,
        min_size=0,
        max_size=_MAX_CONNECTIONS,
        max_idle=_MAX_IDLE_SECONDS,
        timeout=_WAIT_SECONDS,
        reconnect_timeout=0,  # it is tried again when somebody asks again
        configure=_adapt,
        open=True,
    )


def _adapt(connection: psycopg.Connection[Any]) -> None:
    connection.adapters.register_dumper(str, _text_dumper())
    connection.adapters.register_loader("numeric", _number_loader())


def _text_dumper() -> Any:
    from psycopg.types.string import StrDumper

    class Text(StrDumper):
        """PostgreSQL has no text with a NUL in it; events from strangers may."""

        def dump(self, obj: str) -> Any:
            if "\0" in obj:
                obj = obj.replace("\0", "\ufffd")
            try:
                return super().dump(obj)
            except UnicodeEncodeError:
                return obj.encode("utf-8", "replace")

    return Text


def _number_loader() -> Any:
    from psycopg.adapt import Loader

    class Number(Loader):
        """Sums of integers are `numeric` there: a number here, as SQLite gives it."""

        def load(self, data: Any) -> float:
            text = bytes(data).decode()
            return float(text) if "." in text or "N" in text else int(text)

    return Number
