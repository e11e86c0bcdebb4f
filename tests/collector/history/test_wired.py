"""History put together: what slices keep in a real store comes out of the API a minute later."""

from __future__ import annotations

from starlette.testclient import TestClient

from flowtrail_collector.history.model.windows import MINUTE
from flowtrail_collector.history.sampler import Sampler
from flowtrail_collector.history.wire import wire
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.lag.model import GroupReading
from flowtrail_collector.lag.view import LagView
from flowtrail_collector.sagas.model.flows import Flows
from flowtrail_collector.topology.model import Edge, EdgeKey
from flowtrail_collector.trails.sql import TrailReads
from flowtrail_collector.web.app import build_app
from storekit import LETTER


def test_what_slices_keep_is_sampled_by_the_leader_and_answered(sql_database):
    now = [1_767_225_600.0]
    store, view, edges = store_on(sql_database), LagView(), {EdgeKey("a", "t", "b"): Edge(1)}
    is_read = [True]
    history = wire(
        sql_database, lag=view, lag_interval_seconds=15.0, counters=store, edges=lambda: edges,
        letters=TrailReads(sql_database, Flows()), is_read=lambda: is_read[0], time_seconds=lambda: now[0],
    )  # fmt: skip
    assert list(history.wired.parts) == []
    (sampler,) = history.wired.parts_for_all
    assert isinstance(sampler, Sampler)
    ended, step = (
        ("saga_ended", ("f", "completed")),
        ("saga_step_duration_seconds_bucket", ("f", "charge", "0.5")),
    )
    for minute in range(4):
        with store.unit() as unit:
            unit.count({ended: 3, step: 2})
            unit.add_dead_letters([LETTER._replace(offset=minute, cause="c" * 16)])
        edges[EdgeKey("a", "t", "b")].events += 60
        view.publish(
            [GroupReading("g", "consumer", "Stable", now[0], sum_lag=minute, max_seconds=2.5)],
            now[0],
            (),
        )
        is_read[0] = minute != 2
        now[0] += MINUTE
        assert sampler.sample()
    now[0] += 10
    app = build_app(history.wired.routes, token=None, on_error=lambda part, error: None)
    answers = {
        of: TestClient(app).get(f"/api/v1/history/{of}?window=1h").json()["series"]
        for of in ("lag", "outcomes", "steps", "dead-letters", "edges")
    }
    for (series,) in answers.values():
        for name, values in series.items():
            if isinstance(values, list):
                assert set(values[:-4]) == {None}
                series[name] = [None if value is None else round(value, 4) for value in values[-4:]]
    cause = {
        "cause": "c" * 16,
        "group": "billing",
        "event_type": "OrderPlaced",
        "error_type": None,
        "message": None,
    }
    bound = [None, 0.5, None, None]
    assert answers == {
        "lag": [{"group": "g", "lag": [0, 1, 2, 3], "lag_seconds": [2.5] * 4}],
        "outcomes": [{"flow": "f", "outcome": "completed", "per_minute": [None, 3, None, None]}],
        "steps": [{"flow": "f", "step": "charge", "p50_seconds": bound,
                   "p95_seconds": bound, "p99_seconds": bound}],
        "dead-letters": [{**cause, "pending": [1, 2, None, 4]}],
        "edges": [{"source": "a", "topic": "t", "target": "b", "per_second": [None, 1, None, None]}],
    }  # fmt: skip
