"""Node graphs, complete as Grafana 11.6 itself saves them."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.source.parts import NEUTRAL, Json, Query, panel, target


def node_graph(
    title: str,
    description: str,
    nodes: str,
    edges: str,
    unit: str,
    *,
    links: Sequence[Json] = (),
    size: tuple[int, int] = (24, 12),
) -> Json:
    """Who is connected with whom.

    Args:
        title: Title.
        description: Description.
        nodes: PromQL; its series have a label `id`.
        edges: PromQL; its series have labels `id`, `source` and `target`, which are ids of nodes.
        unit: Of both.
        links: Where a node or an edge leads.
        size: Width and height in the grid.
    """
    drawn = panel("nodeGraph", title, description, unit, NEUTRAL, links, size)
    drawn["options"] = {
        "edges": {"mainStatUnit": unit},
        "nodes": {"mainStatUnit": unit},
        "zoomMode": "cooperative",
    }
    # Grafana tells nodes and edges by the names of the queries, and wants the value under this name.
    drawn["targets"] = [
        target(name, Query(expression), instant=True, data_format="table")
        for name, expression in (("nodes", nodes), ("edges", edges))
    ]
    drawn["transformations"] = [
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True},
                "includeByName": {},
                "indexByName": {},
                "renameByName": {"Value #edges": "mainstat", "Value #nodes": "mainstat"},
            },
        }
    ]
    return drawn
