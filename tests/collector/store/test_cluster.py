"""A store belongs to one cluster, whichever database it is on."""

from __future__ import annotations

import pytest

from flowtrail_collector.errors import OtherClusterError, StoreError
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.open import open_store, store_cluster


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def place(request, tmp_path):
    """What `--store` takes."""
    return tmp_path / "store.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")


@pytest.fixture
def opened(place):
    """Opens the same store anew."""
    databases = []

    def again():
        while databases:
            databases.pop().close()
        databases.append(open_store(place).database)
        return store_on(databases[-1])

    yield again
    while databases:
        databases.pop().close()


def test_the_first_cluster_that_tells_its_id_is_the_one(opened):
    store = opened()
    for cluster in (None, "", "one", None, "one", ""):
        store.belong_to(cluster)
    opened().belong_to("one")


@pytest.mark.parametrize("again", [False, True], ids=["running", "started anew"])
def test_another_cluster_is_refused_with_what_to_do_in_one_line(opened, again):
    store = opened()
    store.belong_to("one")
    store = opened() if again else store
    for other in ("two", "ONE", "one "):
        with pytest.raises(OtherClusterError, match=r"Kafka cluster one, and this is .*: name another") as no:
            store.belong_to(other)
        assert "\n" not in str(no.value)
        assert "--store" in str(no.value)
        assert "--bootstrap-servers" in str(no.value)
    store.belong_to("one")


def test_the_error_names_no_password(opened, request):
    store = opened()
    store.belong_to("one")
    with pytest.raises(StoreError) as refused:
        store.belong_to("two")
    assert "@" not in str(refused.value)


def test_whose_it_is_can_be_seen_without_opening_it(opened, place, tmp_path):
    assert store_cluster(place) is None
    store = opened()
    assert store_cluster(place) is None
    store.belong_to("one")
    assert store_cluster(place) == "one"  # in use, too
    store._database.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert store_cluster(place) == "one"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_newer_one_is_told_before_it_is_opened(opened, place):
    with opened()._database.transaction() as connection:
        connection.execute("UPDATE schema_versions SET version = 99 WHERE part = 'spans'")
    with pytest.raises(StoreError, match=r"newer flowtrail \(spans schema 99\): upgrade .* --store"):
        store_cluster(place)


def test_what_is_no_store_is_told_before_it_is_opened(tmp_path):
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"x" * 5_000)
    with pytest.raises(StoreError, match=r"put a backup .* --store"):
        store_cluster(path)
    assert list(tmp_path.iterdir()) == [path]
