"""Avro's own library for Java, whose judgement of changes is the reference."""

from pathlib import Path

from servers._jars import jars

VERSION = "1.12.0"
JARS = jars(f"Avro {VERSION} for Java", f"avro-{VERSION}", Path(__file__).parent / "avro" / "pom.xml")
