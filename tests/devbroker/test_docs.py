"""docs/devbroker.md says what the code does."""

import re
from pathlib import Path

import pytest

from devbroker.__main__ import main
from devbroker.schema import VERSIONS

_TEXT = (Path(__file__).parents[2] / "docs" / "devbroker.md").read_text()


def test_the_table_of_versions_is_that_of_the_code() -> None:
    documented = {
        name.lower(): (int(oldest), int(newest or oldest))
        for name, oldest, newest in re.findall(r"\| (\w+) \| (\d+)(?:-(\d+))? (?=\|)", _TEXT)
    }
    spoken = {api.name.replace("_", "").lower(): versions for api, versions in VERSIONS.items()}
    assert {name: documented.get(name) for name in spoken} == spoken


def test_every_option_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    options = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert options
    assert options == {option for option in options if f"`{option}`" in _TEXT}


def test_the_example_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", _TEXT, re.DOTALL)
    exec(compile(example, "docs/devbroker.md", "exec"), {})
