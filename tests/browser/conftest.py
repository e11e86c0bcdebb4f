"""A collector with orders of every kind, and a real browser to look at it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from servers import UnavailableError, servers_required
from servers._chromium import AXE, chromium
from trailkit.site import site
from waiting import scaled


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.servers)


@pytest.fixture(scope="module")
def console_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of the console; ended with its module, because it logs what other tests would take for theirs."""
    with site(tmp_path_factory.mktemp("site"), show_payloads=True) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; ended with its module, because Playwright keeps an event loop running meanwhile."""
    try:
        program = chromium()
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        # Its sandbox needs a kernel feature that containers don't have; it only sees our own pages.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    try:
        return AXE.get().read_text(encoding="utf-8")
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))


@pytest.fixture
def open_page(browser: Browser, console_url: str) -> Iterator[Callable[..., Page]]:
    """Opens tabs: `open_page(width=1280, scheme="light", **context_options)`.

    Whatever a page writes to the browser's console as an error, or asks of another host, fails the test.
    """
    contexts = []
    complaints: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda message: is_own_fault(message) and complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: foreign(request.url))

    def is_own_fault(message: ConsoleMessage) -> bool:
        # That a page itself isn't there (404) is told as an error, too.
        return message.type == "error" and message.location["url"] != message.page.url

    def foreign(url: str) -> None:
        if not url.startswith((console_url, "data:", "about:", "file:")):
            complaints.append(f"asks for {url}")

    def opened(width: int = 1280, scheme: str = "light", **options: object) -> Page:
        height = {320: 640, 3840: 2160}.get(width, 800)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, base_url=console_url, **options
        )
        context.set_default_timeout(scaled(20) * 1000)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
