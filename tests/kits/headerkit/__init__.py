"""Headers as flowtrail writes them, and what is near to that."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = [
    "AS_WRITTEN", "REQUIRED", "TIMES", "USUALLY_WRITTEN", "USUAL_PARENTS", "headers_near_the_usual", "whole_headers",
]  # fmt: skip

NAMES = ["id", "type", "source", "subject", "correlationid", "causationid", "dataschema", "sequence", "time"]
REQUIRED = NAMES[:5]
AS_WRITTEN = [f"ce_{name}" for name in NAMES] + ["traceparent", "tracestate", "baggage", "content-type"]
OTHERWISE = [
    spelling + name
    for spelling in ("ce-", "CE_", "Ce_", "cloudEvents:", "cloudEvents_", "ce_x", "flowtrail-", "")
    for name in NAMES
] + ["Traceparent", "Content-Type", "contentType", "content_type", "ce_specversion", "ce_datacontenttype"]
TEXTS = st.one_of(
    st.sampled_from(
        ["a", "-", "--", " ", "a b", " a", "a ", "0", "null", "ü", "\x00", "a\nb", "\u2028", "\x7f", "é" * 40]
    ),
    st.sampled_from([50, 63, 64, 65, 128, 255, 256, 257, 1_024, 1_025]).map("x".__mul__),
    st.text(max_size=8),
)
NUMBERS = st.sampled_from(
    ["0", "7", "007", "-1", "+1", " 1", "1 ", "1_0", "1.0", "²", "٣", "9" * 18, "9" * 19, str(2**63), "x"]
)
TIMES = st.sampled_from(
    [
        "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456+02:00", "2026-01-02T03:04:05", "20260102T030405Z",
        "2026-01-02", "2026-W01-5T00:00:00Z", "1969-12-31T23:59:59Z", "2199-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00", "2026-01-02T03:04:05.1234567891Z", "2026-01-02 03:04:05Z", "now", "-",
        "2026-01-02T03:04:05z", "2026-01-02T24:00:00Z", "2026-01-02T03:04:05,5Z",
    ]
)  # fmt: skip
IDS = st.sampled_from(
    ["a" * 32, "A" * 32, "0" * 32, "g" * 32, "a" * 31, "a" * 16, "B" * 16, "0" * 16, "+" + "1" * 15]
)
PARENTS = st.builds(
    "-".join, st.lists(st.one_of(IDS, st.sampled_from(["00", "01", "ff", "", "x"])), max_size=6)
)
USUAL_PARENTS = st.builds(
    "{}-{}-{}-{}".format, st.sampled_from(["00", "ff", "0-"]), IDS, IDS, st.sampled_from(["01", ""])
)
MEDIA = st.sampled_from(
    ["application/json", "application/cloudevents+json", "APPLICATION/CLOUDEVENTS+JSON", "text/plain", ""]
)


def value_of(name: str) -> st.SearchStrategy[Any]:
    """Values that a header of this name may have, as bytes, and what a careless client gives."""
    lower = name.lower()
    if lower.endswith("sequence"):
        texts: st.SearchStrategy[str] = st.one_of(NUMBERS, TEXTS)
    elif lower.endswith("time"):
        texts = st.one_of(TIMES, TEXTS)
    elif lower == "traceparent":
        texts = st.one_of(USUAL_PARENTS, PARENTS, TEXTS)
    elif "content" in lower:
        texts = st.one_of(MEDIA, TEXTS)
    else:
        texts = TEXTS
    wrong = st.sampled_from([None, b"", b"\xff", b"\xc3", b"a\xffb", 7, "text", bytearray(b"a"), True])
    return st.one_of(texts.map(str.encode), texts.map(str.encode), texts.map(str.encode), wrong)


def header_of(name: str) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just(name), value_of(name))


PLAIN_VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12).map(
    str.encode
)
WHOLE = st.tuples(*(st.tuples(st.just(f"ce_{name}"), PLAIN_VALUE) for name in REQUIRED)).map(list)
MORE = st.lists(
    st.one_of(
        st.sampled_from(AS_WRITTEN[5:]), st.sampled_from(AS_WRITTEN), st.sampled_from(OTHERWISE)
    ).flatmap(header_of),
    max_size=5,
)


@st.composite
def headers_near_the_usual(draw: st.DrawFn) -> Any:
    """What flowtrail writes, with some of it changed, repeated, spelled otherwise or left out."""
    headers = dict(draw(WHOLE))
    others = draw(MORE)
    how = draw(st.sampled_from(["replaced", "beside", "without one"]))
    changed = list((headers | dict(others)).items())
    pairs = changed if how == "replaced" else [*headers.items(), *others]
    if how == "without one":
        pairs.pop(draw(st.integers(0, 4)))
    return draw(st.sampled_from([list, tuple]))(draw(st.permutations(pairs)))


USUALLY_WRITTEN = {
    "ce_causationid": b"c", "ce_dataschema": b"OrderPlaced/1", "ce_sequence": b"12", "ce_time": b"2026-01-02T03:04:05Z",
    "traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", "tracestate": b"x=1", "content-type": b"application/json",
}  # fmt: skip
"""Of the headers that an event need not have."""


def whole_headers() -> list[tuple[str, bytes]]:
    """Those that every event has."""
    return [(f"ce_{name}", b"v") for name in REQUIRED]
