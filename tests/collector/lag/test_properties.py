"""Properties files mean what they mean to Java."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowtrail_collector.brokers.kafka.properties import PropertiesError, parse_properties

# What `java.util.Properties.load` makes of a file.
CASES: list[tuple[str, dict[str, str]]] = [
    ("a=b", {"a": "b"}),
    ("a:b", {"a": "b"}),
    ("a b", {"a": "b"}),
    ("a\tb", {"a": "b"}),
    ("a\fb", {"a": "b"}),
    ("  a = b c", {"a": "b c"}),
    ("a = = b", {"a": "= b"}),
    ("a:=b", {"a": "=b"}),
    ("a==b", {"a": "=b"}),
    # Keys without a value, values without a key.
    ("a=", {"a": ""}),
    ("a", {"a": ""}),
    ("=v", {"": "v"}),
    (" : v", {"": "v"}),
    # Spaces at the end belong to the value, escaped or not.
    ("a=b ", {"a": "b "}),
    ("a=b\\ ", {"a": "b "}),
    ("a=\\ b", {"a": " b"}),
    # Escapes.
    ("a\\=b=c", {"a=b": "c"}),
    ("a\\:b:c", {"a:b": "c"}),
    ("a\\ b c", {"a b": "c"}),
    ("\\#a=b", {"#a": "b"}),
    ("a=\\n\\r\\f\\t", {"a": "\n\r\f\t"}),
    ("a=\\q\\\\", {"a": "q\\"}),
    ("a=\\u00e9\\u0041", {"a": "\u00e9A"}),
    ("a=\\ud83d\\ude00", {"a": "\U0001f600"}),
    # Comments and empty lines.
    ("#a=b\n!c=d\n\n \t\n e=f", {"e": "f"}),
    ("  # a=b\\\nc=d", {"c": "d"}),
    ("a=b#c!d", {"a": "b#c!d"}),
    # Lines end at LF, CR and CR LF, and nowhere else.
    ("a=1\nb=2\rc=3\r\nd=4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
    ("a=x\u2028y\u2029z", {"a": "x\u2028y\u2029z"}),
    ("a=x\x85y\x0bz\x1c", {"a": "x\x85y\x0bz\x1c"}),
    ("a\u00a0b=c", {"a\u00a0b": "c"}),
    # Continuation lines.
    ("a=b\\\n  c", {"a": "bc"}),
    ("a=b\\\r\n\t\f c", {"a": "bc"}),
    ("a=b \\\n  c", {"a": "b c"}),
    ("a=\\\n  \\\n  b", {"a": "b"}),
    ("a=b\\\n#c", {"a": "b#c"}),
    ("a=b\\\n\nc=d", {"a": "b", "c": "d"}),
    ("a=b\\\\\nc=d", {"a": "b\\", "c": "d"}),
    ("a=b\\", {"a": "b"}),
    # The last one counts.
    ("a=1\na=2", {"a": "2"}),
]

JAVA = """
import java.io.StringReader;
import java.nio.file.*;
import java.util.*;

public class Load {
    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\\"");
        for (char c : text.toCharArray()) out.append(String.format("\\\\u%04x", (int) c));
        return out.append('"').toString();
    }

    public static void main(String[] files) throws Exception {
        for (String file : files) {
            Properties found = new Properties();
            found.load(new StringReader(Files.readString(Path.of(file))));
            List<String> pairs = new ArrayList<>();
            for (String key : found.stringPropertyNames())
                pairs.add(quoted(key) + ":" + quoted(found.getProperty(key)));
            System.out.println("{" + String.join(",", pairs) + "}");
        }
    }
}
"""


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_properties_are_read_as_java_reads_them(text: str, expected: dict[str, str]) -> None:
    assert parse_properties(text, "x") == expected


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("javac") is None, reason="needs a JDK")
def test_java_itself_reads_them_like_that(tmp_path: Path) -> None:
    files = []
    for number, (text, _) in enumerate(CASES):
        files.append(tmp_path / f"{number}.properties")
        files[-1].write_text(text, "utf-8", newline="")
    (tmp_path / "Load.java").write_text(JAVA)
    command = ["java", tmp_path / "Load.java", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [json.loads(line) for line in done.stdout.splitlines()] == [expected for _, expected in CASES]


@pytest.mark.slow
@given(st.text())
def test_a_file_is_read_or_refused_by_line(text: str) -> None:
    refusal = None
    try:
        parse_properties(text, "x")
    except PropertiesError as error:
        refusal = str(error)
    assert refusal is None or refusal.startswith("x, line ")
