"""The real servers that tests run against, one module each, started on loopback and free ports."""

from servers._catalogue import DOWNLOADS, FETCHED_BY_FIXTURE
from servers._dex import DexServer
from servers._documents import asyncapi_parsed, eventcatalog_linted
from servers._kafka import KafkaServer
from servers._kafka_old import OldKafkaServer
from servers._languages import language_command
from servers._nginx import NginxServer
from servers._postgres import PostgresServer
from servers._process import ManagedProcess, ServerFailedError, answers, free_port, listens
from servers._prometheus import PrometheusServer
from servers._rabbitmq import RabbitServer
from servers._tools import UnavailableError, servers_required

__all__ = [
    "DOWNLOADS",
    "FETCHED_BY_FIXTURE",
    "DexServer",
    "KafkaServer",
    "ManagedProcess",
    "NginxServer",
    "OldKafkaServer",
    "PostgresServer",
    "PrometheusServer",
    "RabbitServer",
    "ServerFailedError",
    "UnavailableError",
    "answers",
    "asyncapi_parsed",
    "eventcatalog_linted",
    "free_port",
    "language_command",
    "listens",
    "servers_required",
]
