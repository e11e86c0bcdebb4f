"""`flowtrail mcp`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import click

from flowtrail.errors import to_install
from flowtrail_collector.cli._client import CollectorClient, url_option
from flowtrail_collector.cli._errors import EXIT_FINDINGS, EXIT_OK, EXIT_USAGE, Failure
from flowtrail_collector.mcp.ports import RefusedError
from flowtrail_collector.settings import is_loopback, parse_listen, read_token

_PATH = click.Path(path_type=Path)


@click.command()
@url_option
@click.option(
    "--token-file",
    type=_PATH,
    envvar="FLOWTRAIL_TOKEN_FILE",
    show_envvar=True,
    help="File with the collector's access token; FLOWTRAIL_TOKEN holds it directly.",
)
@click.option(
    "--write-token-file",
    type=_PATH,
    envvar="FLOWTRAIL_WRITE_TOKEN_FILE",
    show_envvar=True,
    help="File with the collector's write token, which redriving needs; FLOWTRAIL_WRITE_TOKEN holds it"
    " directly. Not over HTTP: there clients send it themselves.",
)
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help="Serve streamable HTTP at /mcp on this address, such as 127.0.0.1:8091, instead of standard input"
    " and output.",
)
@click.option(
    "--client-token-file",
    type=_PATH,
    envvar="FLOWTRAIL_MCP_TOKEN_FILE",
    show_envvar=True,
    help="File with the token that HTTP clients must show; FLOWTRAIL_MCP_TOKEN holds it directly. Needed"
    " where other machines can connect.",
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="Name in the URL that HTTP clients use; may be given several times. Loopback names need no option.",
)
@click.option(
    "--allow-origin",
    "origins",
    multiple=True,
    metavar="ORIGIN",
    help="Web page that may connect from a browser, such as https://chat.example.com; none by default.",
)
def mcp(
    url: str,
    token_file: Path | None,
    write_token_file: Path | None,
    listen: str | None,
    client_token_file: Path | None,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
) -> int:
    """Serve MCP, so that assistants can ask a running collector.

    Over standard input and output, for the client that starts this command; with --listen over HTTP.
    """  # fmt: skip
    token = read_token(token_file, "token-file", "FLOWTRAIL_TOKEN")
    client = CollectorClient(url, token)
    click.get_current_context().call_on_close(client.close)
    if listen is None:
        if hosts or origins or client_token_file is not None:
            raise Failure("--allow-host, --allow-origin and --client-token-file need --listen", EXIT_USAGE)
        write_token = read_token(write_token_file, "write-token-file", "FLOWTRAIL_WRITE_TOKEN")
        _serve_stdio(client, write_token)
        return EXIT_OK
    if write_token_file is not None:
        raise Failure(
            "--write-token-file can't be combined with --listen: clients send the write token", EXIT_USAGE
        )
    client_token = read_token(client_token_file, "client-token-file", "FLOWTRAIL_MCP_TOKEN")
    _serve_http(client, listen, client_token, hosts, origins)
    return EXIT_OK


def _serve_stdio(client: CollectorClient, write_token: str | None) -> None:
    server = _server(client, write_token)
    from flowtrail_collector.mcp.server import serve_stdio

    anyio.run(serve_stdio, server)


def _serve_http(
    client: CollectorClient, address: str, token: str | None, hosts: tuple[str, ...], origins: tuple[str, ...]
) -> None:
    server = _server(client, None)
    from flowtrail_collector.mcp.http import PATH, check_exposure, http_app
    from flowtrail_collector.web.server import WebServer, listen, url_of

    host, port = parse_listen(address)
    local = is_loopback(host)
    check_exposure(host, local=local, token=token, hosts=hosts)
    app = http_app(server, local=local, token=token, hosts=hosts, origins=origins)
    listener = listen(host, port)
    told = f"MCP at {url_of(listener)}{PATH}"
    WebServer(app, listener, lifespan=True).run(on_ready=lambda: click.echo(told, err=True))


def _server(client: CollectorClient, write_token: str | None) -> Any:
    try:
        from flowtrail_collector.mcp.server import build_server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "flowtrail_collector":
            raise
        raise Failure(f"the MCP server needs {error.name}: {to_install('mcp')}", EXIT_USAGE) from None
    from flowtrail import __version__

    return build_server(_Answers(client), __version__, write_token)


class _Answers:
    """`Collector`: the command line's client, whose failures end a call and not the server."""

    def __init__(self, client: CollectorClient) -> None:
        self._client = client

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        try:
            return self._client.get(path, params)
        except Failure as failure:
            raise _refusal(failure) from failure

    def post(self, path: str, body: Mapping[str, Any], write_token: str) -> Any:
        try:
            return self._client.post(path, body, write_token=write_token)
        except Failure as failure:
            raise _refusal(failure) from failure


def _refusal(failure: Failure) -> RefusedError:
    return RefusedError(failure.format_message(), not_found=failure.exit_code == EXIT_FINDINGS)
