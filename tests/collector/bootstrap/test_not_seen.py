"""What wasn't seen, and why: the same in API, console, command line and metrics."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

from confluent_kafka import Producer

from flowtrail_collector.cli import main
from flowtrail_collector.settings import CollectorConfig, KafkaConfig
from trailkit.web import collecting
from waiting import scaled, until


def answer(url, accept="application/json"):
    request = urllib.request.Request(url, headers={"accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=scaled(10)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_records_that_no_trail_can_show_are_told_everywhere(devbroker, tmp_path, capsys):
    flows = tmp_path / "flows.yaml"
    flows.write_text("mapping: {orders: {type: {field: $.kind}}}")
    producer = Producer({"bootstrap.servers": devbroker})
    for topic in ("invoices", "payments", "returns"):
        producer.produce(topic, b"{}", timestamp=1_700_000_000_000)
    for number in range(4):
        producer.produce("orders", json.dumps({"kind": "OrderPlaced"} if number else {}).encode())
    assert producer.flush(scaled(20)) == 0
    config = CollectorConfig(KafkaConfig(devbroker), flows=flows, store=tmp_path / "store.sqlite")
    with collecting(config) as url:

        def all_read():
            found = {item["topic"]: item for item in json.loads(answer(f"{url}/api/v1/topics")[1])["topics"]}
            return found if sum(item["records"] for item in found.values()) == 7 else None

        topics = until(all_read, "everything to be read", timeout_seconds=30)
        assert topics["returns"]["without_type"] == topics["returns"]["without_id"] == 1
        assert (topics["returns"]["last_offset"], topics["returns"]["last_time"]) == (
            0,
            "2023-11-14T22:13:20.000000Z",
        )
        orders = topics["orders"]
        assert (orders["records"], orders["without_type"], orders["mapping_problems"]) == (4, 1, 1)

        status, text = answer(f"{url}/api/v1/trails/OLD-1")
        assert (status, json.loads(text)["error"]) == (
            404,
            "nothing is known of 'OLD-1': 4 topics have records without a type: add a mapping for invoices, orders,"
            " payments and 1 more",
        )
        for path in ("/trails/OLD-1", "/search?q=OLD-1"):
            status, page = answer(url + path, "text/html")
            assert status == 404
            assert "4 topics have records without a type" in page
        page = answer(f"{url}/collector", "text/html")[1]
        assert all(topic in page for topic in topics)
        assert "add a mapping to the flow file" in page

        assert main(["trace", "OLD-1", "--url", url]) == 1
        assert "nothing is known of 'OLD-1': 4 topics have" in capsys.readouterr().err
        main(["doctor", "--url", url])
        told = capsys.readouterr().out
        assert "7 records read of 4 topics" in told
        assert "topic returns: 1 record, 1 without a type, 1 without an id; last offset 0" in told
        metrics = answer(f"{url}/metrics", "text/plain")[1]
        for line in (
            'flowtrail_topic_records_total{topic="orders"} 4.0',
            'flowtrail_topic_without_type_total{topic="orders"} 1.0',
            'flowtrail_topic_without_id_total{topic="orders"} 4.0',
            'flowtrail_topic_mapping_problems_total{topic="orders"} 1.0',
            'flowtrail_topic_last_record_timestamp_seconds{topic="returns"} 1.7e+09',
        ):
            assert line in metrics


def test_with_nothing_read_that_is_what_is_said(devbroker, tmp_path):
    config = CollectorConfig(KafkaConfig(devbroker), store=tmp_path / "store.sqlite")
    with collecting(config) as url:
        status, text = answer(f"{url}/api/v1/trails/OLD-1")
    assert status == 404
    assert "no record has been read yet" in text
