"""RabbitMQ's management API: what there is in a virtual host, and how it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from flowtrail_collector.brokers.rabbitmq.connection import RefusedError
from flowtrail_collector.errors import ServiceUnreachableError
from flowtrail_collector.settings import RabbitConfig

__all__ = ["Management"]

_CONNECT_SECONDS = 5.0
# The server works out the figures of thousands of queues anew for each answer.
_ANSWER_SECONDS = 20.0
_QUEUE_COLUMNS = (
    "name,type,state,arguments,effective_policy_definition,messages,messages_ready,messages_unacknowledged,consumers,"
    "head_message_timestamp,message_stats.publish,message_stats.ack,message_stats.deliver_no_ack,message_stats.get_no_ack,"
    "message_stats.publish_details.rate,message_stats.ack_details.rate"
)
_TOTALS = "disable_stats=true&enable_queue_totals=true&columns=name,messages_ready,messages_unacknowledged"


class Management:
    """Asks the management API; one thread at a time.

    Args:
        config: Where it is.
    """

    def __init__(self, config: RabbitConfig) -> None:
        self._config = config
        self._vhost = quote(config.vhost, safe="")
        self._client: httpx.Client | None = None

    def exchanges(self) -> Sequence[Mapping[str, Any]]:
        """All exchanges of the virtual host: name, type, durable, auto_delete, internal."""
        return self._list(f"exchanges/{self._vhost}?columns=name,type,durable,auto_delete,internal")

    def bindings(self) -> Sequence[Mapping[str, Any]]:
        """All bindings of the virtual host: source, destination, destination_type, routing_key, arguments."""
        columns = "source,destination,destination_type,routing_key,arguments"
        return self._list(f"bindings/{self._vhost}?columns={columns}")

    def queue(self, name: str) -> Mapping[str, Any] | None:
        """One queue; None if it isn't there."""
        found = self._get(
            f"queues/{self._vhost}/{quote(name, safe='')}?columns=name,type,arguments", missing=True
        )
        return None if found is None else dict(found)

    def queues(self) -> Sequence[Mapping[str, Any]]:
        """All queues of the virtual host with their counts."""
        return self._list(f"queues/{self._vhost}?columns={_QUEUE_COLUMNS}")

    def totals(self) -> Mapping[str, tuple[int, int] | None]:
        """How many messages are ready and how many unacknowledged, by queue; None where that isn't known.

        What queues themselves told last: it leaves out the samples that the management API takes of that later.
        """
        found = self._list(f"queues/{self._vhost}?{_TOTALS}")
        return {str(each["name"]): _total_of(each) for each in found}

    def nodes(self) -> Sequence[Mapping[str, Any]]:
        """The cluster's nodes: whether they are short of memory or disk, and milliseconds since they were started."""
        return self._list("nodes?columns=name,running,mem_alarm,disk_free_alarm,uptime")

    def version(self) -> str:
        """The server's version."""
        return str(self._get("overview?columns=rabbitmq_version").get("rabbitmq_version", ""))

    def is_off(self, flag: str) -> bool:
        """Whether a feature flag is known to be off; only an administrator is told."""
        try:
            flags = self._list("feature-flags")
        except RefusedError:
            return False
        return any(each["name"] == flag and each["state"] == "disabled" for each in flags)

    def close(self) -> None:
        """Let go of the connection; it comes back with the next question."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _list(self, path: str) -> Sequence[Mapping[str, Any]]:
        found = self._get(path)
        if not isinstance(found, list):
            raise ServiceUnreachableError(
                f"{self._config.management_url} is not a RabbitMQ management API: correct --rabbitmq-management"
            )
        return found

    def _get(self, path: str, *, missing: bool = False) -> Any:
        where = self._config.management_url
        try:
            answer = self._open().get(f"{where}/api/{path}")
        except httpx.ReadTimeout:
            raise ServiceUnreachableError(
                f"RabbitMQ's management API at {where} took longer than {_ANSWER_SECONDS:g} s to answer: it is busy; let it"
                " keep answers (management.db_cache_multiplier), or make statistics rarer (collect_statistics_interval)"
            ) from None
        except httpx.HTTPError as error:
            raise ServiceUnreachableError(
                f"RabbitMQ's management API doesn't answer at {where}: {error or type(error).__name__}: start the server, enable"
                " the plug-in (rabbitmq-plugins enable rabbitmq_management), or say where it is with --rabbitmq-management"
            ) from None
        if answer.status_code == 404 and missing:
            return None
        if answer.status_code in (401, 403):
            raise RefusedError(
                f"RabbitMQ's management API at {where} refuses user {self._config.credentials[0]}: give it the tag"
                f" monitoring (rabbitmqctl set_user_tags {self._config.credentials[0]} monitoring) and permissions on"
                f" the virtual host {self._config.vhost}",
                answer.status_code,
            )
        if answer.status_code >= 500:
            raise ServiceUnreachableError(
                f"RabbitMQ's management API at {where} fails ({answer.status_code}): the server may be starting; if it stays,"
                " its log says why"
            )
        try:
            answer.raise_for_status()
            return orjson.loads(answer.content)
        except (httpx.HTTPStatusError, ValueError):
            raise ServiceUnreachableError(
                f"{where} answers {answer.status_code} to {path.partition('?')[0]}: unless the server starts or stops, correct"
                " --rabbitmq-management, which takes the address of RabbitMQ's management API"
            ) from None

    def _open(self) -> httpx.Client:
        if self._client is None:
            timeout = httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
            self._client = httpx.Client(auth=self._config.credentials, timeout=timeout, trust_env=False)
        return self._client


def _total_of(queue: Mapping[str, Any]) -> tuple[int, int] | None:
    ready, unacknowledged = queue.get("messages_ready"), queue.get("messages_unacknowledged")
    return (ready, unacknowledged) if isinstance(ready, int) and isinstance(unacknowledged, int) else None
