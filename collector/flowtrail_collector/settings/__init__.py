"""Settings of `flowtrail collector run`: sections with defaults that check themselves, and the table of options.

Command line first, then `FLOWTRAIL_*` variables, then the sections' defaults; click merges them.
"""

from __future__ import annotations

from flowtrail_collector.settings.checks import read_token
from flowtrail_collector.settings.lag import Granularity, LagSettings
from flowtrail_collector.settings.oidc import OidcConfig
from flowtrail_collector.settings.rabbitmq import RabbitConfig
from flowtrail_collector.settings.sections import (
    CollectorConfig,
    KafkaConfig,
    PushConfig,
    RetentionConfig,
    SpanConfig,
    parse_store,
)
from flowtrail_collector.settings.table import SETTINGS, Kind, Setting, collector_config, rabbit_config
from flowtrail_collector.settings.web import WebConfig, is_loopback, parse_listen

__all__ = [
    "SETTINGS", "CollectorConfig", "Granularity", "KafkaConfig", "Kind", "LagSettings", "OidcConfig", "PushConfig",
    "RabbitConfig", "RetentionConfig", "Setting", "SpanConfig", "WebConfig", "collector_config", "is_loopback", "parse_listen",
    "parse_store", "rabbit_config", "read_token",
]  # fmt: skip
