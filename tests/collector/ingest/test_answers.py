"""How much the tail lets a broker answer at once: little, whatever its user sets."""

from __future__ import annotations

import pytest

from flowtrail_collector.brokers.kafka.connection import read_connection
from flowtrail_collector.brokers.kafka.tail.partitions import AllPartitions, GroupPartitions
from flowtrail_collector.brokers.kafka.tail.positions import Positions
from sagakit import core

TUNED = {
    "nothing": {},
    "larger messages": {"message.max.bytes": "20000000"},
    "smaller messages": {"message.max.bytes": "20000"},
    "answers of one partition": {"max.partition.fetch.bytes": "5000000"},
    "answers": {"fetch.max.bytes": "3000000"},
    "less that waits": {"queued.max.messages.kbytes": "64", "queued.min.messages": "10"},
}


@pytest.mark.parametrize("tuning", TUNED.values(), ids=TUNED.keys())
@pytest.mark.parametrize("group", [None, "workers"])
def test_whatever_the_user_sets_the_client_opens(tuning, group, tmp_path):
    with core(tmp_path) as made:
        positions = Positions(made.ingest, made.store, "earliest")
        partitions = AllPartitions(positions) if group is None else GroupPartitions(positions, group)
        connection = read_connection("127.0.0.1:1", settings=tuning, environ={})
        partitions.open({**connection.consumer_settings(client_id="test"), "log_level": 2})
        partitions.close()
