"""Which APIs and versions the broker speaks, and the shape of their messages, from kio's schemas.

kio describes every Kafka message as one dataclass per version. `Struct` turns such a class into
what reading and writing need, and adds the names that only other versions of the message have, so
that the handlers see and build one shape whatever version a client speaks.
"""

import datetime
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Literal

from kio.index import load_entity_schema
from kio.schema.index import schema_name_map
from kio.static.constants import EntityType
from kio.static.primitive import Records

Kind = Literal["request", "response"]


class Api(IntEnum):
    """The API keys the broker answers."""

    PRODUCE = 0
    FETCH = 1
    LIST_OFFSETS = 2
    METADATA = 3
    OFFSET_COMMIT = 8
    OFFSET_FETCH = 9
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    LEAVE_GROUP = 13
    SYNC_GROUP = 14
    DESCRIBE_GROUPS = 15
    LIST_GROUPS = 16
    API_VERSIONS = 18
    CREATE_TOPICS = 19
    DELETE_TOPICS = 20
    DELETE_RECORDS = 21
    INIT_PRODUCER_ID = 22
    DESCRIBE_CONFIGS = 32
    CREATE_PARTITIONS = 37
    DELETE_GROUPS = 42
    OFFSET_DELETE = 47
    DESCRIBE_CLUSTER = 60


# Oldest and newest version understood. OffsetCommit and OffsetFetch 10 address topics by id only,
# FindCoordinator 6 and InitProducerId 6 belong to share groups and two-phase commit.
VERSIONS: Mapping[Api, tuple[int, int]] = {
    Api.PRODUCE: (3, 13),
    Api.FETCH: (4, 18),
    Api.LIST_OFFSETS: (1, 9),
    Api.METADATA: (0, 13),
    Api.OFFSET_COMMIT: (2, 9),
    Api.OFFSET_FETCH: (1, 9),
    Api.FIND_COORDINATOR: (0, 5),
    Api.JOIN_GROUP: (0, 9),
    Api.HEARTBEAT: (0, 4),
    Api.LEAVE_GROUP: (0, 5),
    Api.SYNC_GROUP: (0, 5),
    Api.DESCRIBE_GROUPS: (0, 6),
    Api.LIST_GROUPS: (0, 5),
    Api.API_VERSIONS: (0, 4),
    Api.CREATE_TOPICS: (2, 7),
    Api.DELETE_TOPICS: (1, 6),
    Api.DELETE_RECORDS: (0, 2),
    Api.INIT_PRODUCER_ID: (0, 5),
    Api.DESCRIBE_CONFIGS: (1, 4),
    Api.CREATE_PARTITIONS: (0, 3),
    Api.DELETE_GROUPS: (0, 2),
    Api.OFFSET_DELETE: (0, 0),
    Api.DESCRIBE_CLUSTER: (0, 1),
}

# librdkafka takes a broker that doesn't list Produce from 0 for one without message format 2
# (KAFKA-18659); Kafka 4 lists 0 too and refuses 0-2 when they come.
ADVERTISED_MINIMUM: Mapping[Api, int] = {Api.PRODUCE: 0}


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field of a message.

    Attributes:
        name: its name in the schema.
        type: Kafka's type (`int32`, `string`, ...), or the shape of a nested structure.
        array: whether it is an array of that type.
        nullable: whether it (the array, if it is one) may be null.
        tag: its number if it is a tagged (optional) field.
        default: what an absent field reads as; times are in milliseconds.
    """

    name: str
    type: "str | Struct"
    array: bool
    nullable: bool
    tag: int | None
    default: object


@dataclass(frozen=True, slots=True)
class Struct:
    """A message or nested structure in one version, with the names that other versions add.

    Attributes:
        fields: in the order they are written.
        flexible: whether lengths are compact and tagged fields may follow (KIP-482).
        absent: defaults of the fields that only other versions have.
    """

    fields: tuple[FieldShape, ...]
    flexible: bool
    absent: Mapping[str, object]

    @property
    def names(self) -> frozenset[str]:
        """Every name that some version of this structure knows."""
        return frozenset(self.absent) | {field.name for field in self.fields}


_PLAIN_DEFAULTS: Mapping[str, object] = {
    "string": "",
    "bytes": b"",
    "records": None,
    "bool": False,
    "float64": 0.0,
    "uuid": None,
    "datetime_i64": None,
}


@cache
def message(api: Api, version: int, kind: Kind) -> Struct:
    """The shape of an API's request or response.

    Raises:
        KeyError: kio has no such version.
    """
    name = api.name.lower()
    return _struct(_entity(name, version, kind), _defaults(name, kind), "")


@cache
def request_header_is_flexible(api: Api, version: int) -> bool:
    """Whether tagged fields follow the client id in this request's header."""
    return _header_version(api, version, "request") >= 2


@cache
def response_header_is_flexible(api: Api, version: int) -> bool:
    """Whether tagged fields follow the correlation id in this response's header."""
    return _header_version(api, version, "response") >= 1


def _header_version(api: Api, version: int, kind: Kind) -> int:
    entity = _entity(api.name.lower(), version, kind)
    return int(entity.__header_schema__.__version__)


def _entity(name: str, version: int, kind: Kind) -> Any:
    if kind == "request":
        return load_entity_schema(name, version, EntityType.request)
    return load_entity_schema(name, version, EntityType.response)


@cache
def _defaults(name: str, kind: Kind) -> Mapping[str, Mapping[str, object]]:
    """By path of the structure ("" is the message itself): every name of every version, with defaults."""
    known: dict[str, dict[str, object]] = {}

    def collect(entity: Any, path: str) -> None:
        names = known.setdefault(path, {})
        for field in fields(entity):
            inner, array, nullable = _inspect(field)
            names[field.name] = _default(field, inner, array=array, nullable=nullable)
            if is_dataclass(inner):
                collect(inner, f"{path}.{field.name}")

    for version in schema_name_map[name]:
        collect(_entity(name, version, kind), "")
    return known


def _struct(entity: Any, defaults: Mapping[str, Mapping[str, object]], path: str) -> Struct:
    shapes = []
    for field in fields(entity):
        inner, array, nullable = _inspect(field)
        nested = is_dataclass(inner)
        tag = field.metadata.get("tag")
        shapes.append(
            FieldShape(
                name=field.name,
                type=_struct(inner, defaults, f"{path}.{field.name}")
                if nested
                else field.metadata["kafka_type"],
                array=array,
                nullable=nullable,
                tag=tag,
                default=_default(field, inner, array=array, nullable=nullable),
            )
        )
    present = {shape.name for shape in shapes}
    absent = {name: default for name, default in defaults[path].items() if name not in present}
    return Struct(tuple(shapes), bool(entity.__flexible__), absent)


def _inspect(field: "Field[Any]") -> tuple[Any, bool, bool]:
    """Take a field's annotation apart: (innermost type, is it an array, may it be null)."""
    annotation: Any = field.type
    nullable = False
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        nullable = True
        annotation = next(part for part in typing.get_args(annotation) if part is not types.NoneType)
    if typing.get_origin(annotation) is tuple:
        return typing.get_args(annotation)[0], True, nullable
    return annotation, False, nullable


def _default(field: "Field[Any]", inner: Any, *, array: bool, nullable: bool) -> object:
    default: object = field.default
    if isinstance(default, datetime.timedelta):
        return round(default.total_seconds() * 1000)
    if is_dataclass(inner) and not array:
        return None
    if default is not MISSING:
        return int(default) if isinstance(default, int) and not isinstance(default, bool) else default
    if nullable or inner is Records:
        return None
    if array:
        return ()
    return _PLAIN_DEFAULTS.get(str(field.metadata["kafka_type"]), 0)
