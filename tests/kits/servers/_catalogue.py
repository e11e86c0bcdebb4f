"""Everything that tests need from elsewhere, and which fixtures need it."""

from collections.abc import Mapping

from servers import _apicurio, _avro, _chromium, _dex, _documents, _jaeger, _kafka, _kafka_old, _languages
from servers._download import Download

DOWNLOADS: Mapping[str, Download] = {
    "kafka": _kafka.JARS,
    "kafka-0.10": _kafka_old.JARS,
    "apicurio": _apicurio.REGISTRY,
    "avro": _avro.JARS,
    "axe": _chromium.AXE,
    "dex": _dex.PROGRAM,
    "documents": _documents.JUDGES,
    "jaeger": _jaeger.PROGRAM,
    **_languages.LANGUAGES,
}
# Tests that use one of these, also as a parameter's value, need the download; others carry the mark `fetches`.
FETCHED_BY_FIXTURE: Mapping[str, str] = {
    "kafka": "kafka",
    "kafka_server": "kafka",
    "strict_kafka": "kafka",
    "registry": "apicurio",
    "registry_server": "apicurio",
    "axe": "axe",
    "dex_server": "dex",
}
