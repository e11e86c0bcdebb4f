"""Group membership, and looking at groups."""

import asyncio
from collections.abc import Mapping
from typing import Any

from kio.schema.errors import ErrorCode

from devbroker.api._client import Client
from devbroker.broker import Broker, Response
from devbroker.codec import Request
from devbroker.groups import Group, GroupState
from devbroker.members import JoinRequest, Member, Reply, join_error, sync_error

_MEMBER_ID_REQUIRED_SINCE = 4
_SKIP_ASSIGNMENT_SINCE = 9
_NOT_FOUND_IS_AN_ERROR_SINCE = 6
_GROUP_TYPE = "classic"


def _reply_to(future: "asyncio.Future[Mapping[str, Any]]") -> Reply:
    def reply(answer: Mapping[str, Any]) -> None:
        # It is done already when the client went away while it waited.
        if not future.done():
            future.set_result(answer)

    return reply


async def join_group(broker: Broker, request: Request, client: Client) -> Response:
    body, settings = request.body, broker.settings
    session_seconds = body.session_timeout / 1000
    if not body.group_id:
        return join_error(ErrorCode.invalid_group_id, body.member_id)
    if not settings.min_session_timeout_seconds <= session_seconds <= settings.max_session_timeout_seconds:
        return join_error(ErrorCode.invalid_session_timeout, body.member_id)
    group = broker.coordinator.get(body.group_id)
    if group is None:
        if body.member_id:
            return join_error(ErrorCode.unknown_member_id, body.member_id)
        group = broker.coordinator.get_or_create(body.group_id)
    answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
    # Version 0 knows one time-out only.
    rebalance_seconds = body.rebalance_timeout / 1000 if body.rebalance_timeout > 0 else session_seconds
    join = JoinRequest(
        member_id=body.member_id,
        instance_id=body.group_instance_id,
        protocol_type=body.protocol_type,
        protocols=[(protocol.name, protocol.metadata) for protocol in body.protocols],
        session_timeout_seconds=session_seconds,
        rebalance_timeout_seconds=rebalance_seconds,
        client_id=request.client_id or "",
        client_host=client.host,
        requires_known_member=request.version >= _MEMBER_ID_REQUIRED_SINCE,
        can_skip_assignment=request.version >= _SKIP_ASSIGNMENT_SINCE,
        reply=_reply_to(answer),
    )
    group.join(join, broker.clock())
    broker.coordinator.changed(group)
    return await answer


async def sync_group(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    group = broker.coordinator.get(body.group_id)
    if group is None:
        return sync_error(ErrorCode.unknown_member_id)
    answer: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
    group.sync(
        body.member_id,
        body.group_instance_id,
        body.generation_id,
        (body.protocol_type, body.protocol_name),
        {assignment.member_id: assignment.assignment for assignment in body.assignments},
        _reply_to(answer),
        broker.clock(),
    )
    broker.coordinator.changed(group)
    return await answer


async def heartbeat(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    group = broker.coordinator.get(body.group_id)
    if group is None:
        return {"error_code": ErrorCode.unknown_member_id}
    error = group.heartbeat(body.member_id, body.group_instance_id, body.generation_id, broker.clock())
    broker.coordinator.changed(group)
    return {"error_code": error}


async def leave_group(broker: Broker, request: Request, _client: Client) -> Response:
    body = request.body
    group = broker.coordinator.get(body.group_id)
    leaving = [(member.member_id, member.group_instance_id) for member in body.members]
    if not leaving:
        leaving = [(body.member_id, None)]
    answers = []
    for member_id, instance_id in leaving:
        error = ErrorCode.unknown_member_id
        if group is not None:
            error = group.leave(member_id, instance_id, broker.clock())
        answers.append({"member_id": member_id, "group_instance_id": instance_id, "error_code": error})
    if group is not None:
        broker.coordinator.changed(group)
    # Versions before 3 leave one member, and its error is that of the response.
    return {"error_code": ErrorCode.none if body.members else answers[0]["error_code"], "members": answers}


async def describe_groups(broker: Broker, request: Request, _client: Client) -> Response:
    groups = []
    for group_id in request.body.groups:
        group = broker.coordinator.get(group_id)
        if group is not None:
            groups.append(_describe(group))
            continue
        missing: dict[str, Any] = {"group_id": group_id, "group_state": GroupState.DEAD}
        if request.version >= _NOT_FOUND_IS_AN_ERROR_SINCE:
            missing |= {
                "error_code": ErrorCode.group_id_not_found,
                "error_message": f"Group {group_id} not found.",
            }
        groups.append(missing)
    return {"groups": groups}


def _describe(group: Group) -> dict[str, Any]:
    stable = group.state is GroupState.STABLE
    return {
        "group_id": group.id,
        "group_state": group.state,
        "protocol_type": group.protocol_type or "",
        "protocol_data": (group.protocol or "") if stable else "",
        "members": [_describe_member(group, member, stable=stable) for member in group.members.values()],
    }


def _describe_member(group: Group, member: Member, *, stable: bool) -> dict[str, Any]:
    return {
        "member_id": member.id,
        "group_instance_id": member.instance_id,
        "client_id": member.client_id,
        "client_host": member.client_host,
        "member_metadata": member.metadata(group.protocol) if stable else b"",
        "member_assignment": member.assignment if stable else b"",
    }


async def list_groups(broker: Broker, request: Request, _client: Client) -> Response:
    states = {state.lower() for state in request.body.states_filter}
    types = {type_.lower() for type_ in request.body.types_filter}
    return {
        "groups": [
            {
                "group_id": group.id,
                "protocol_type": group.protocol_type or "",
                "group_state": group.state,
                "group_type": _GROUP_TYPE,
            }
            for group in broker.coordinator
            if (not states or group.state.lower() in states) and (not types or _GROUP_TYPE in types)
        ]
    }


async def delete_groups(broker: Broker, request: Request, _client: Client) -> Response:
    return {
        "results": [
            {"group_id": group_id, "error_code": broker.coordinator.delete(group_id)}
            for group_id in request.body.groups_names
        ]
    }
