"""`/v1/traces`: the OTLP/HTTP receiver.

https://opentelemetry.io/docs/specs/otlp/#otlphttp : the answer has the request's format, an error is a
`google.rpc.Status`, and 429 or 503 with `Retry-After` tells an exporter to come back.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass

import anyio
import anyio.to_thread
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from flowtrail_collector.spans.compression import BodyError, decompressed
from flowtrail_collector.spans.decoding import Decoded, from_json, from_protobuf
from flowtrail_collector.spans.queue import QueueFullError, SpanQueue

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
# Decoding more than this would hold up the other requests of the event loop.
_SMALL_BODY_BYTES = 32 * 1024
_STORE_TIMEOUT_SECONDS = 15.0
# The SDK tries six times within ten seconds: so it gets over more than eight seconds of overload.
_RETRY = {"retry-after": "2"}
# What gRPC calls these (google.rpc.Code); OTLP puts the number into the answer.
_CODES = {400: 3, 413: 3, 415: 3, 429: 8, 503: 14}


def otlp_routes(queue: SpanQueue, *, max_body_bytes: int) -> list[BaseRoute]:
    """The receiver's route.

    Args:
        queue: Takes the spans to the store.
        max_body_bytes: Largest body, as sent and decompressed.
    """
    receiver = _Receiver(queue, max_body_bytes, anyio.CapacityLimiter(1))
    return [Route("/v1/traces", receiver.receive, methods=["POST"])]


@dataclass(frozen=True, slots=True)
class _Receiver:
    queue: SpanQueue
    max_body_bytes: int
    decoding: anyio.CapacityLimiter

    async def receive(self, request: Request) -> Response:
        """OTLP/HTTP receiver: protobuf or JSON; plain, gzip or deflate."""
        media_type = (request.headers.get("content-type") or "").partition(";")[0].strip().lower()
        if media_type not in (_PROTOBUF, _JSON):
            return _error(_JSON, 415, f"content-type may be {_PROTOBUF} or {_JSON}")
        try:
            decoded = await self._decoded(request, media_type)
            async with asyncio.timeout(_STORE_TIMEOUT_SECONDS):
                await asyncio.wrap_future(self.queue.put(decoded.spans))
        except BodyError as error:
            return _error(media_type, error.status, error.message)
        except ClientDisconnect:
            return _error(media_type, 400, "the request ended early")
        except QueueFullError as error:
            return _error(media_type, 429, str(error))
        except TimeoutError:
            return _error(media_type, 503, "the store is too slow at the moment")
        except Exception:  # noqa: BLE001 - logged by the queue; the exporter shall keep its spans and come back
            return _error(media_type, 503, "the spans couldn't be stored")
        self.queue.rejected_spans += decoded.rejected
        return _accepted(media_type, decoded)

    async def _decoded(self, request: Request, media_type: str) -> Decoded:
        body = await self._body(request)
        encoding = request.headers.get("content-encoding")
        decode = from_protobuf if media_type == _PROTOBUF else from_json

        def work() -> Decoded:
            return decode(decompressed(body, encoding, self.max_body_bytes))

        if len(body) <= _SMALL_BODY_BYTES and encoding is None:
            return work()
        # More at once would take the interpreter's lock from each other and from the store.
        return await anyio.to_thread.run_sync(work, limiter=self.decoding)

    async def _body(self, request: Request) -> bytes:
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > self.max_body_bytes:
                raise BodyError(413, f"the body is larger than {self.max_body_bytes} bytes")
            chunks.append(chunk)
        return b"".join(chunks)


def _accepted(media_type: str, decoded: Decoded) -> Response:
    if media_type == _JSON:
        partial = {"rejectedSpans": str(decoded.rejected), "errorMessage": decoded.reason}
        body = json.dumps({"partialSuccess": partial} if decoded.reason else {}).encode()
        return Response(body, media_type=_JSON)
    message = ExportTraceServiceResponse()
    if decoded.reason:
        message.partial_success.rejected_spans = decoded.rejected
        message.partial_success.error_message = decoded.reason
    return Response(message.SerializeToString(), media_type=_PROTOBUF)


def _error(media_type: str, status: int, message: str) -> Response:
    headers = _RETRY if status in (429, 503) else None
    code = _CODES.get(status, 2)
    if media_type == _PROTOBUF:
        body: bytes = Status(code=code, message=message).SerializeToString()
    else:
        body = json.dumps({"code": code, "message": message}).encode()
    return Response(body, status, headers, media_type=media_type)
