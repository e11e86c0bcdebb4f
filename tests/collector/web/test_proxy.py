"""Behind a reverse proxy under a path of its own: links, forms, redirects, cookies, event stream, API and OTLP."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from devbroker import DevBroker
from flowtrail_collector.app import build_collector
from flowtrail_collector.errors import ConfigurationError
from flowtrail_collector.settings import CollectorConfig, KafkaConfig, WebConfig
from flowtrail_collector.web.prefix import checked_prefix, proxies_of
from redrivekit import dead, keep
from servers import NginxServer, UnavailableError, servers_required
from trailkit.site import FLOWS
from trailkit.web import served
from waiting import scaled

LINK = re.compile(r'(?:href|src|action)="([^"]+)"')
HTML = {"accept": "text/html"}
# How the collector is told, what the proxy does with the path, and what it sends along.
ROOT = WebConfig(root_path="/tools/flowtrail")
TRUSTED = WebConfig(trusted_proxies=("127.0.0.0/8",))
STRIPS = "location /tools/flowtrail/ {{ proxy_pass {url}/; {headers} }}"
KEEPS = "location /tools/flowtrail {{ proxy_pass {url}; {headers} }}"
HOST = "proxy_set_header Host $http_host; proxy_buffering off;"
SAYS = f"{HOST} proxy_set_header X-Forwarded-Prefix /tools/flowtrail;"
WAYS = {
    "root path, stripped": (ROOT, STRIPS, HOST),
    "root path, kept": (ROOT, KEEPS, HOST),
    "header, stripped": (TRUSTED, STRIPS, SAYS),
    "header, kept": (TRUSTED, KEEPS, SAYS),
    "header with a slash at its end": (TRUSTED, STRIPS, SAYS.replace("flowtrail;", "flowtrail/;")),
    "header over root path": (WebConfig(root_path="/x", trusted_proxies=("127.0.0.1",)), STRIPS, SAYS),
}


@pytest.fixture(scope="module", params=WAYS)
def site(request, tmp_path_factory):
    """The address of the collector behind nginx."""
    web, location, headers = WAYS[request.param]
    folder = tmp_path_factory.mktemp("proxy")
    with DevBroker() as broker:
        kafka = KafkaConfig(broker.bootstrap_servers)
        collector = build_collector(
            CollectorConfig(kafka, web=web, flows=FLOWS, store=folder / "store.sqlite")
        )
        keep(collector.database, [dead(n) for n in range(2)])
        collector.supervisor.start()
        try:
            with served(collector.app) as url:
                nginx = _nginx(folder / "nginx", location.format(url=url, headers=headers))
                yield f"{nginx.url}/tools/flowtrail"
                nginx.kill()
        finally:
            collector.close()


def _nginx(folder, locations):
    try:
        nginx = NginxServer(folder, locations)
    except UnavailableError as error:
        if servers_required():
            pytest.fail(f"FLOWTRAIL_REQUIRE_SERVERS is set, and {error}", pytrace=False)
        pytest.skip(str(error))
    nginx.start()
    return nginx


def crawl(client, start):
    """Follows every link of every page from one on; gives what each address answered."""
    found, waiting = {}, [start]
    while waiting:
        address = waiting.pop().partition("#")[0]
        if address in found or address.endswith("/live"):
            continue
        answer = client.get(address, headers=HTML)
        found[address] = answer.status_code
        if "text/html" in answer.headers.get("content-type", "") and len(found) < 60:
            links = (urljoin(address, link.replace("&amp;", "&")) for link in LINK.findall(answer.text))
            waiting += [link for link in links if urlsplit(link).netloc == urlsplit(start).netloc]
    return found


@pytest.mark.servers
@pytest.mark.sampled(5)
def test_every_link_stays_below_the_prefix_and_leads_somewhere(site):
    with httpx.Client(timeout=scaled(30), follow_redirects=True) as client:
        found = crawl(client, f"{site}/")
    assert len(found) > 12
    assert [address for address in found if not address.startswith(f"{site}/")] == []
    # The broker is empty, and no event has come: what asks for them says so, in its own words.
    unanswered = ("/readyz", "/trails/", "/dead-letters/redrive?")
    assert {a: s for a, s in found.items() if s != 200 and not any(part in a for part in unanswered)} == {}


@pytest.mark.servers
def test_a_form_with_its_cookie_and_redirect(site):
    with httpx.Client(timeout=scaled(30)) as client:
        page = client.get(
            f"{site}/dead-letters/dismiss?group=billing&state=pending&topic=orders.billing.dlq", headers=HTML
        )
        (cookie,) = list(client.cookies.jar)
        assert cookie.path == "/tools/flowtrail"
        fields = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', page.text))
        (action,) = set(re.findall(r'method="post" action="([^"]+)"', page.text))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(site))
        answer = client.post(
            urljoin(site, action), data={**fields, "note": "by hand"}, headers={"origin": origin}
        )
        assert (answer.status_code, answer.headers["location"]) == (
            303,
            "/tools/flowtrail/dead-letters?state=dismissed",
        )
        assert client.get(urljoin(site, answer.headers["location"]), headers=HTML).status_code == 200


@pytest.mark.servers
def test_a_search_leads_to_a_trail_below_the_prefix(site):
    answer = httpx.get(f"{site}/search?q=a%2Fb", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/tools/flowtrail/trails/a%2Fb")
    assert httpx.get(f"{site}/search", headers=HTML).headers["location"] == "/tools/flowtrail/"


@pytest.mark.servers
def test_events_api_spans_and_openness_are_below_it_too(site):
    with httpx.stream("GET", f"{site}/live", timeout=scaled(30)) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert next(stream.iter_lines()) == "retry: 3000"
    assert httpx.get(f"{site}/healthz").status_code == 200
    assert httpx.get(f"{site}/api/v1/status").json()["version"]
    assert httpx.post(f"{site}/v1/traces", json={"resourceSpans": []}).status_code == 200
    script = httpx.get(f"{site}/static/live.js").text
    assert 'new URL("../live", document.currentScript.src)' in script


def links_of(collector, client, **headers):
    app = TestClient(collector.app, base_url="http://127.0.0.1", client=(client, 5))
    answer = app.get("/sagas", headers={**HTML, **headers})
    return {link for link in LINK.findall(answer.text) if link.startswith("/")}, app


@pytest.fixture(scope="module")
def trusting(tmp_path_factory):
    web = WebConfig(trusted_proxies=("10.0.0.0/8", "2001:db8::1"))
    store = tmp_path_factory.mktemp("trusting") / "store.sqlite"
    collector = build_collector(CollectorConfig(KafkaConfig("127.0.0.1:9"), web=web, store=store))
    yield collector
    collector.close()


@pytest.mark.parametrize(
    ("client", "believed"),
    [
        ("10.1.2.3", True),
        ("2001:db8::1", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("::ffff:11.0.0.1", False),
        ("2001:db8::2", False),
        ("testclient", False),
    ],
)
def test_only_a_named_proxy_is_believed(trusting, client, believed):
    links, app = links_of(trusting, client, **{"x-forwarded-prefix": "/flowtrail"})
    assert all(link.startswith("/flowtrail/") is believed for link in links)
    answer = app.get("/dead-letters", headers={**HTML, "x-forwarded-proto": "https"})
    assert ("secure" in answer.headers["set-cookie"].lower()) is believed


# First parts of own paths; every one of them may be what somebody calls the collector.
PAGES = {"/": "api", "/lag": "lag", "/sagas": "sagas", "/metrics": "metrics", "/dead-letters": "dead-letters",
         "/healthz": "healthz", "/api/v1/status": "api", "/api/services": "api", "/map": "map",
         "/static/live.js": "static", "/v1/traces": "v1", "/redrives": "redrives"}  # fmt: skip


@pytest.mark.parametrize("rest", ["", "/deeper"])
@pytest.mark.parametrize("path", PAGES)
def test_a_prefix_may_be_called_like_a_page_if_the_proxy_takes_it_off(trusting, path, rest):
    prefix = f"/{PAGES[path]}{rest}"
    app = TestClient(trusting.app, base_url="http://127.0.0.1", client=("10.0.0.1", 5))
    plain = app.get(path, headers=HTML)
    answer = app.get(path, headers={**HTML, "x-forwarded-prefix": prefix})
    assert (answer.status_code, answer.headers["content-type"]) == (
        plain.status_code,
        plain.headers["content-type"],
    )
    title = re.compile("<title>.*</title>")
    assert title.findall(answer.text) == title.findall(plain.text)


EVIL = [
    "//evil.example",
    "/a//evil",
    "https://evil",
    "/..",
    "/a/../b",
    "/a b",
    '/"onclick=',
    "/a\\b",
    "/ä",
    "evil",
    "/" + "x" * 101,
]


@pytest.mark.parametrize("claimed", EVIL)
def test_a_prefix_that_isnt_one_is_ignored_or_refused(trusting, claimed):
    links, _ = links_of(trusting, "10.0.0.1", **{"x-forwarded-prefix": claimed.encode()})
    assert "/sagas" in links
    with pytest.raises(ConfigurationError, match="--root-path takes a path"):
        checked_prefix(claimed)


@given(st.from_regex(r"(/[A-Za-z0-9_~-]{1,20}){1,4}/?", fullmatch=True))
def test_every_usual_prefix_can_be_one(text):
    assert checked_prefix(text) == text.rstrip("/")


@pytest.mark.parametrize("name", ["proxy", "10.0.0.0/33", "", "1.2.3"])
def test_what_is_no_proxys_address_is_refused(name):
    with pytest.raises(ConfigurationError, match="--trusted-proxies takes addresses"):
        proxies_of([name])
