"""Reports of tests that failed: whatever happens while one is written, the run goes on."""

import gc
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest


class Reports:
    """Keeps the garbage collector out of source analysis, and writes plain reports when pretty ones fail.

    pytest parses the source of what failed. Python 3.11 can't parse while it parses (`SystemError: AST
    constructor recursion depth mismatch`), and a collection of garbage in between may do just that: what it
    finds unclosed is warned of, with a traceback, which is parsed. Playwright's objects are such garbage.
    """

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_collection(self) -> Generator[None, object, object]:
        with _no_collection_of_garbage():
            return (yield)

    @pytest.hookimpl(tryfirst=True, wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        with _no_collection_of_garbage():
            try:
                return (yield)
            except Exception as error:
                return _plain(item, call, error)


@contextmanager
def _no_collection_of_garbage() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _plain(item: pytest.Item, call: pytest.CallInfo[None], why: Exception) -> pytest.TestReport:
    """A failure whose text needs no analysis of the source."""
    text = f"{type(why).__name__} while this report was written: {_told(why)}"
    if call.excinfo is not None:
        frames = traceback.extract_tb(call.excinfo.tb)
        lines = (f"{one.filename}:{one.lineno}: in {one.name}\n    {one.line}" for one in frames)
        text = "\n".join([*lines, f"{call.excinfo.typename}: {_told(call.excinfo.value)}", "", f"({text})"])
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords=dict.fromkeys(item.keywords, 1),
        outcome="failed",
        longrepr=text,
        when=call.when,  # type: ignore[arg-type] # a call of a test, never of collecting
        sections=[(f"Captured {key} {when}", content) for when, key, content in item._report_sections],
        duration=call.duration,
        start=call.start,
        stop=call.stop,
    )


def _told(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as another:
        return f"<no text: {type(another).__name__}>"
