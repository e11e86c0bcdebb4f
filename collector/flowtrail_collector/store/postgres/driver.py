"""The driver, which is an optional dependency: imported here, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowtrail_collector.errors import ConfigurationError

if TYPE_CHECKING:
    import psycopg

__all__ = ["connect", "is_conflict", "psycopg_error"]

_APPLICATION = "flowtrail-collector"
_SETTINGS = (
    # A server that doesn't answer is noticed within seconds; a worker that froze doesn't hold its locks for ever.
    "-c idle_in_transaction_session_timeout=60s -c lock_timeout=30s -c timezone=UTC"
)
# serialization_failure, deadlock_detected, lock_not_available
_CONFLICTS = frozenset({"40001", "40P01", "55P03"})


def _module() -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ConfigurationError(
            f"a PostgreSQL store needs {error.name}: pip install 'flowtrail[postgres]'"
        ) from None
    return psycopg


def psycopg_error() -> type[Exception]:
    """The driver's root exception.

    Raises:
        ConfigurationError: The driver isn't installed.
    """
    error: type[Exception] = _module().Error
    return error


def is_conflict(error: Exception) -> bool:
    """Whether trying again may help: two workers were in each other's way."""
    return getattr(error, "sqlstate", None) in _CONFLICTS


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection that leaves transactions to whoever uses it.

    Raises:
        ConfigurationError: The driver isn't installed.
        psycopg.Error: No connection.
    """
    driver = _module()
    connection: psycopg.Connection[Any] = driver.connect(
        url,
        autocommit=True,
        application_name=_APPLICATION,
        connect_timeout=10,
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=15_000,
        options=_SETTINGS,
    )
    connection.adapters.register_dumper(str, _text_dumper())
    connection.adapters.register_loader("numeric", _number_loader())
    return connection


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
