"""A flow or a step that isn't there is said, not taken for one without instances: API, console, command line."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from flowtrail_collector.app import build_collector
from flowtrail_collector.cli import main
from flowtrail_collector.sagas.model.assessment import Outcome
from flowtrail_collector.sagas.model.instance import SagaRecord
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from trailkit.web import served

FLOWS = """\
flows:
  orders: {starts: A, steps: {reserve: {done: B}, charge: {done: C}}, completes: C}
  returns: {starts: X, steps: {refund: {done: Y}}, completes: Y}
"""
NO_FILE = "this collector has no flow file, so there are no sagas: name one with --flows"
ASKED = [
    ("flow=order", "no flow is called order (did you mean orders?): there are left, orders, returns"),
    ("flow=zzz", "no flow is called zzz: there are left, orders, returns"),
    ("flow=a%0Ab", "no flow is called a\\nb: there are left, orders, returns"),
    ("step=chrage", "no step is called chrage (did you mean charge?): there are reserve, charge, refund"),
    ("flow=returns&step=charge", "no step is called charge: there are refund"),
    ("flow=orders&step=charge", None),
    ("step=refund", None),
    ("flow=left&step=whatever", None),
    ("flow=left", None),
    ("", None),
]


@pytest.fixture
def collector(tmp_path):
    made = []

    def make(flows):
        path = tmp_path / "flows.yaml"
        path.write_text(FLOWS)
        config = CollectorConfig(
            KafkaConfig("127.0.0.1:1"), flows=path if flows else None, store=tmp_path / "s.sqlite"
        )
        made.append(build_collector(config))
        return made[-1]

    yield make
    for item in made:
        item.close()


@pytest.fixture
def full(collector):
    """With two flows in its file, and instances of one that has left it."""
    made = collector(True)
    with made.store.unit() as unit:
        unit.save_sagas([SagaRecord("left", "f1", started_ms=1, ended_ms=2, outcome=Outcome.RETIRED)])
    return made


@pytest.mark.parametrize(("query", "error"), ASKED)
def test_in_the_api_and_the_console(full, query, error):
    client = TestClient(full.app, base_url="http://127.0.0.1")
    answer = client.get(f"/api/v1/sagas?{query}")
    page = client.get(f"/sagas?{query}", headers={"accept": "text/html"})
    assert answer.status_code == page.status_code == (200 if error is None else 400)
    if error is not None:
        assert answer.json() == {"error": error}
        assert error.partition(" (")[0].partition(":")[0] in page.text.replace("&#34;", '"')


@pytest.mark.parametrize(("arguments", "error"), [
    (["--flow", "order"], ASKED[0][1]),
    (["--step", "chrage"], ASKED[3][1]),
    (["--flow", "orders"], None),
    (["--outcome", "partial"], None),
])  # fmt: skip
def test_on_the_command_line(full, arguments, error, capsys):
    with served(full.app) as url:
        assert main(["sagas", *arguments, "--url", url]) == (0 if error is None else 2)
    assert capsys.readouterr().err == ("" if error is None else f"flowtrail: {error}\n")


def test_without_a_flow_file(collector, capsys):
    made = collector(False)
    with served(made.app) as url:
        assert main(["sagas", "--url", url]) == 2
        assert main(["sagas", "--flow", "orders", "--url", url]) == 2
    assert capsys.readouterr().err == f"flowtrail: {NO_FILE}\n" * 2
    client = TestClient(made.app, base_url="http://127.0.0.1")
    assert client.get("/").status_code == client.get("/api/v1/flows").status_code == 200
    page = client.get("/sagas", headers={"accept": "text/html"})
    assert (page.status_code, NO_FILE in page.text) == (400, True)
