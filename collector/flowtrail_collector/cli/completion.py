"""`flowtrail completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from flowtrail_collector.cli._errors import EXIT_OK
from flowtrail_collector.cli._shells import add_shells

_SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "flowtrail"
# Under this name click looks for what the shell asks when somebody presses the tab key.
_VARIABLE = f"_{_PROGRAM}_complete".upper()


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def completion(shell: str) -> int:
    """Print a script that completes commands, options and their values with the tab key.

    Names of groups, flows, steps, topics, causes and orders come from the collector that --url or
    FLOWTRAIL_COLLECTOR_URL names; without one there are none.

    Bash: put `eval "$(flowtrail completion bash)"` into ~/.bashrc. Zsh: the same with zsh, into ~/.zshrc after
    compinit. Fish: put `flowtrail completion fish | source` into ~/.config/fish/config.fish.
    """
    add_shells()
    found = get_completion_class(shell)
    if found is None:  # click knows all three
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(click.get_current_context().find_root().command, {}, _PROGRAM, _VARIABLE).source())
    return EXIT_OK
