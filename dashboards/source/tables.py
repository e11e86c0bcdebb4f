"""Tables, complete as Grafana 11.6 itself saves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.source.parts import NEUTRAL, Json, Query, panel, target


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: a query, or a label (then without an expression).

    Attributes:
        name: Heading.
        expression: PromQL, empty for a label.
        label: Which label, for a column of one.
        unit: Of the values.
        thresholds: Color the cell by these.
        links: Where a cell leads.
        mappings: Values shown as words.
    """

    name: str
    expression: str = ""
    label: str = ""
    unit: str = "short"
    thresholds: Json | None = None
    links: Sequence[Json] = ()
    mappings: Sequence[Json] = ()


def table(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    sort_by: str,
    no_value: str = "",
    size: tuple[int, int] = (24, 8),
) -> Json:
    """One line per combination of labels, one column per query; what a query doesn't know stays empty."""
    drawn = panel("table", title, description, "short", NEUTRAL, (), size)
    drawn["fieldConfig"]["defaults"] |= {
        "color": {"mode": "thresholds"},
        "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False},
    }
    if no_value:
        drawn["fieldConfig"]["defaults"]["noValue"] = no_value
    queries = [column for column in columns if column.expression]
    fields: dict[str, Column] = {}
    for column in columns:
        # Grafana names the value of query B of several "Value #B", that of an only one "Value".
        value = f"Value #{chr(65 + queries.index(column))}" if column in queries else column.label
        fields["Value" if column in queries and len(queries) == 1 else value] = column
    drawn["fieldConfig"]["overrides"] = [_column_style(column) for column in columns]
    drawn["options"] = {
        "cellHeight": "sm",
        "footer": {"countRows": False, "fields": "", "reducer": ["sum"], "show": False},
        "showHeader": True,
        "sortBy": [{"desc": True, "displayName": sort_by}],
    }
    drawn["targets"] = [
        target(chr(65 + number), Query(column.expression), instant=True, data_format="table")
        for number, column in enumerate(queries)
    ]
    drawn["transformations"] = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": {name: number for number, name in enumerate(fields)},
                "renameByName": {name: column.name for name, column in fields.items()},
            },
        },
    ]
    return drawn


def _column_style(column: Column) -> Json:
    properties: list[Json] = [{"id": "unit", "value": column.unit}]
    if column.thresholds is not None:
        properties.append({"id": "thresholds", "value": column.thresholds})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    if column.mappings:
        properties.append({"id": "mappings", "value": list(column.mappings)})
    if column.links:
        properties.append({"id": "links", "value": list(column.links)})
    return {"matcher": {"id": "byName", "options": column.name}, "properties": properties}
