"""Jars from Maven Central."""

from pathlib import Path

from servers._download import Download, run


def jars(title: str, folder: str, pom: Path) -> Download:
    """What a pom depends on; the entry is the folder of the jars."""

    def fill(part: Path) -> None:
        run(
            ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
             "-DincludeScope=runtime", f"-DoutputDirectory={part / 'libs'}"],
            part,
            f"Maven can't fetch the jars of {title}",
        )  # fmt: skip

    return Download(title, folder, "libs", ("mvn",), fill)
