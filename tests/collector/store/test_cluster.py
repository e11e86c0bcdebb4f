"""A store belongs to one cluster, whichever database it is on."""

from __future__ import annotations

import pytest

from flowtrail_collector.errors import OtherClusterError, StoreError
from flowtrail_collector.ingest.sql import store_on
from flowtrail_collector.store.open import open_store


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def opened(request, tmp_path):
    """Opens the same store anew."""
    place = tmp_path / "store.sqlite" if request.param == "sqlite" else request.getfixturevalue("postgres")
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
        with pytest.raises(
            OtherClusterError, match=r"the Kafka cluster one, and this is .*: name another"
        ) as no:
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
