"""`/api/v1/flows/diff`: what another flow file would change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.dead_letters.web.posting import posted
from flowtrail_collector.sagas.difference import difference, difference_json
from flowtrail_collector.sagas.flow_file import parse_flows
from flowtrail_collector.sagas.ports import SagaStore
from flowtrail_collector.web.json import ApiError, json_response

__all__ = ["difference_routes"]


def difference_routes(store: SagaStore) -> list[BaseRoute]:
    """The route that compares two flow files.

    Args:
        store: Where instances are.
    """

    def compared(request: Request, values: Mapping[str, Any]) -> Response:
        """How many open instances change, and how, when one flow file takes the other's place; nothing is written.

        Body: old, new.
        """
        old = parse_flows(_text(values, "old"), "old")
        new = parse_flows(_text(values, "new"), "new")
        found = difference(store, old, new)
        return json_response({"flows": difference_json(found)})

    return [Route("/api/v1/flows/diff", posted(compared), methods=["POST"])]


def _text(values: Mapping[str, Any], name: str) -> str:
    text = values.get(name)
    if not isinstance(text, str):
        raise ApiError(400, f"{name} takes the text of a flow file")
    return text
