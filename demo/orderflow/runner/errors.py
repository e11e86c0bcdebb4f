"""How the runner fails."""

EXIT_OK = 0
EXIT_MISMATCH = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


class DemoError(Exception):
    """The demo can't go on; the message is one clear line.

    Attributes:
        exit_code: 1 for a finding, 2 for a wrong setting or a port in use, 3 for a server that isn't there.
    """

    def __init__(self, message: str, exit_code: int = EXIT_MISMATCH) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Interrupted(BaseException):
    """A signal asks the runner to stop.

    Attributes:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
