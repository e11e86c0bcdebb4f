"""What pages tell people to type: it parses, and its commands, options, targets, files and services are there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from dashkit.files import REPOSITORY, load_yaml
from tools.docs.blocks import ROOT, blocks_of
from tools.docs.collector._commands import commands

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMPOSE = load_yaml(REPOSITORY / "compose.yaml")
COMMANDS = {tuple(context.command_path.split()): (context, command) for context, command in commands()}
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")


def lines_of(page: Path) -> Iterator[str]:
    """Every command of a page's shell blocks, with continued lines joined."""
    for block in blocks_of(page):
        if block.language not in ("sh", "bash", "console"):
            continue
        text = block.text.replace("\\\n", " ")
        for line in text.splitlines():
            if block.language == "console" and not line.startswith("$ "):
                continue
            yield line.removeprefix("$ ")


def calls_of(page: Path) -> Iterator[list[str]]:
    """The same as words, one list for each program that is called."""
    for line in lines_of(page):
        words = shlex.split(line, comments=True)
        while words and (_ASSIGNMENT.fullmatch(words[0]) or words[0] == "export"):
            words = words[1:]
        call: list[str] = []
        for word in words:
            if word in ("&&", "||", "|", ";"):
                yield call
                call = []
            else:
                call.append(word)
        if call:
            yield call


CALLS = [(page, call) for page in PAGES for call in calls_of(page)]


def calls(*beginning: str) -> list[list[str]]:
    return [call for _, call in CALLS if call[: len(beginning)] == list(beginning)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_shell_block_parses(page: Path) -> None:
    lines = list(lines_of(page))
    done = subprocess.run(["bash", "-n"], input="\n".join(lines), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_flowtrail_command_is_there_with_its_options() -> None:
    found = calls("flowtrail")
    assert len(found) >= 15
    for call in found:
        path = next(tuple(call[:n]) for n in (3, 2, 1) if tuple(call[:n]) in COMMANDS)
        context, command = COMMANDS[path]
        assert not isinstance(command, click.Group), call
        try:
            command.make_parser(context).parse_args(call[len(path) :])
        except click.UsageError as error:
            pytest.fail(f"{shlex.join(call)}: {error.format_message()}")


def test_every_target_of_make_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    benches = {f"bench-{path.stem}" for path in (ROOT / "bench").glob("*.py")}
    named = {word for call in calls("make") for word in call[1:] if "=" not in word}
    assert named <= targets | benches
    assert "demo" in named


def test_every_test_and_module_that_is_named_is_there() -> None:
    for call in calls("pytest"):
        assert all((ROOT / word).exists() for word in call[1:] if "/" in word), call
    modules = {call[2] for call in (*calls("python", "-m"), *calls("python3", "-m"))}
    assert {name for name in modules if find_spec(name) is None} == set()


def test_what_is_installed_is_there_today() -> None:
    extras = re.findall(r"^([a-z-]+) = \[", _project_section("project.optional-dependencies"), re.MULTILINE)
    lines = [(page, call[2:]) for page, call in CALLS if call[:2] == ["pip", "install"]]
    for page in PAGES:
        if page.stem == "reference-python":  # tells what messages say to programs that have it installed
            continue
        inline = re.findall(r"`pip install ([^`]+)`", page.read_text(encoding="utf-8"))
        lines += [(page, shlex.split(words)) for words in inline]
    assert len(lines) >= 10
    for page, words in lines:
        for word in words:
            # There is no release in the index yet: what is installed is the checkout.
            assert not word.startswith("flowtrail"), (page, word)
            folder, _, named = word.partition("[")
            if folder.startswith("."):
                assert (ROOT / folder / "pyproject.toml").exists(), (page, word)
                assert set(filter(None, named.removesuffix("]").split(","))) <= set(extras), (page, word)


def test_the_embedded_broker_installs_what_the_demo_is_locked_to() -> None:
    text = (ROOT / "demo" / "pyproject.toml").read_text(encoding="utf-8")
    (group,) = re.findall(r"^demo = \[(.*)\]", _project_section("dependency-groups"), re.MULTILINE)
    (needed,) = re.findall(r"^dependencies = \[(.*)\]", text, re.MULTILINE)
    assert set(re.findall(r'"([^"]+)"', needed)) <= set(re.findall(r'"([^"]+)"', group))


def _project_section(name: str) -> str:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return text.split(f"\n[{name}]\n")[1].split("\n[")[0]


# --- docs/compose.md and docs/kubernetes.md


def test_every_compose_command_names_services_that_run() -> None:
    for _, _, *words in calls("docker", "compose"):
        while words[0] == "--env-file":
            assert (ROOT / words[1]).is_file(), words
            del words[:2]
        command, *names = (word for word in words if not word.startswith("-"))
        assert command in ("up", "down", "stop", "start", "pause", "unpause", "kill", "logs", "exec"), words
        # What stands behind the service is run in it.
        assert set(names[:1] if command == "exec" else names) <= set(COMPOSE["services"]), words


def test_the_addresses_of_compose_are_its_published_ports() -> None:
    page = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| [<`](?:http://)?localhost:(\d+)", page, re.MULTILINE)
    published = {
        port.split(":")[1] for service in COMPOSE["services"].values() for port in service.get("ports", [])
    }
    # The second collector and the services' own metrics are published for whoever looks for them.
    assert set(table) <= published
    assert {"3000", "8090", "9090"} <= set(table)


def test_what_compose_md_says_of_variables_files_and_alerts() -> None:
    page = (ROOT / "docs" / "compose.md").read_text(encoding="utf-8")
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    for name in re.findall(r"`([A-Z_]{4,})(?:=\S*)?`", page):
        assert name in compose, name
    for path in re.findall(r"`((?:deploy|demo|dashboards)/[\w./-]+)`", page):
        assert (ROOT / path).exists(), path
    alerts = (ROOT / "dashboards" / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    for alert in re.findall(r"\bFlowtrail[A-Z]\w+", page):
        assert f"alert: {alert}\n" in alerts, alert


def test_compose_itself_accepts_the_file() -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode
    ):
        pytest.skip("docker compose isn't here: only the schema and our own rules are checked")
    done = subprocess.run(
        [docker, "compose", "config", "--quiet"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_kubernetes_commands_fit_the_manifests() -> None:
    manifests = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "deploy" / "kubernetes").glob("*.y*ml")
    )
    (secret,) = calls("kubectl", "create", "secret")
    assert f"name: {secret[4]}\n" in manifests
    for key in re.findall(r"--from-literal=(\w+)=", shlex.join(secret)):
        assert re.search(rf"key: {key}\b|{key}:", manifests), key
    (applied,) = calls("kubectl", "apply")
    assert (ROOT / applied[-1]).is_dir()
    (build,) = calls("docker", "build")
    assert f" AS {build[build.index('--target') + 1]}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert build[build.index("-t") + 1].partition("/")[2] in manifests
