"""Causes: one fingerprint for what went wrong in the same way, however many ids its messages name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2b

__all__ = ["HOUR_MS", "cause_of", "common_words", "fingerprint", "normalised", "trend_of"]

HOUR_MS = 3_600_000

_MAX_READ = 4_000
_MAX_MESSAGE = 200
_MAX_EXAMPLE = 80
_HOLE = "*"
# A quotation begins where a word doesn't end: an apostrophe is none.
_QUOTED = re.compile(
    # Long ones lose their end where messages are cut, so the most usual one needs none.
    r"""(?<!\w)'[^'\n]*'(?!\w)|"[^"\n]*"?|`[^`\n]*`|“[^“”\n]*”|‘[^‘’\n]*’|«[^«»\n]*»|„[^„“\n]*“"""
)
# What is quoted is mostly data, but for names in code: of columns, constraints, fields, methods, classes and types.
_NAME = re.compile(
    r"(?:[A-Za-z]+_)+[A-Za-z]+|[a-z]{2,}(?:[A-Z][a-z]+)+|(?:[A-Z][a-z]+){2,}|(?:[A-Za-z_]+\.)+[A-Za-z_]+\(\)"
    r"|(?:[a-z]+\.){2,}[A-Za-z_$]+(?:\(\))?"
    r"|int|str|float|bool|bytes|bytearray|list|dict|tuple|set|object|null|none|true|false|undefined"
)
_NOUN = (
    r"\b(?:arguments?|attributes?|beans?|class|columns?|constraint|fields?|functions?|index|methods?|module named"
    r"|modules?|parameters?|propert(?:y|ies)|relation|tables?|type|types)(?: name)?:? "
)
_NAMED = re.compile(f"{_NOUN}$", re.IGNORECASE)
# A name in code with a number: address1, sha256_sum; ORD-17 and the like are ids.
_NUMBERED = r"(?:[A-Za-z_$][A-Za-z_$.]{1,30}\d{1,3}){1,3}[A-Za-z_$.]{0,30}"
_WORD = re.compile(rf"[A-Za-z_$][A-Za-z_$.-]*|{_NUMBERED}")
_NUMBERED_NAME = re.compile(rf"({_NOUN})({_NUMBERED})(?![\w@$%~+-])", re.IGNORECASE)
# All that KeyError says is the key: one that reads like a field's name is the cause.
_KEY = re.compile(r"\s*(?:KeyError: )?'(?:[A-Za-z_]{1,40}|[a-z][A-Za-z_]{1,30}\d{1,2})'\s*")
_MAX_NAME = 80
_MAX_NOUN = 20
# Numbers that say what happened, and not to whom: of protocols, systems and databases.
_CODE = re.compile(
    r"\bHTTP(?:/[\d.]+)?(?: error)?[ :=]{1,3}[1-5]\d\d(?!\w)"
    r"|\b(?:[a-z]{0,12}code|status|errno|signal|rc|exit(?:ed)?(?: with)?(?: code| status)?)[ :=#(]{1,3}"
    r"(?:0x[\da-f]{1,8}|-?\d{1,5}|-\d{10})(?![\w-]|[.:,]\d)"
    r"|\bERROR:? \d{4,5}(?= \(\w{5}\))"
    r"|(?<![\w.])[45]\d\d (?=(?:Client|Server) Error\b)"
    r"|(?<=An error occurred \()[45]\d\d(?=\))|\[Errno -?\d{1,5}\]|\bSQLSTATE[ :=\[(]{1,3}\w{5}\b|\b(?:ORA|PLS|SQL)-\d{4,5}\b",
    re.IGNORECASE,
)
# Codes that say whom or what something is about.
_OTHER_CODES = re.compile(
    r"(?:access|activation|area|article|bar|booking|country|coupon|currency|customer|discount|dial(?:ling)?|gift|item"
    r"|locker|order|pickup|post(?:al)?|product|promo|promotion|reference|security|sort|tracking|verification|voucher|zip)"
    r"[ _-]?$",
    re.IGNORECASE,
)
# Digits that stay: nobody else's characters, until what names somebody is gone.
_KEPT = {ord(str(digit)): 0xE000 + digit for digit in range(10)}
_GIVEN_BACK = {kept: digit for digit, kept in _KEPT.items()}
_TAKEN = dict.fromkeys(_GIVEN_BACK, " ")
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?: ?[AaPp][Mm]\b)?(?: (?:[A-Z]{3,4}\b|[+-]\d{4}\b))?"
_IPV6 = r"(?:[\da-fA-F]{0,4}:){2,7}[\da-fA-F]{0,4}"
_NAMING = (
    # 2026-11-30T01:00:00.123+01:00: whatever its offset is, before the clock in it is taken for a time of its own
    re.compile(
        r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:[.,]\d{1,9})?(?: ?(?:Z\b|[+-]\d\d(?::?\d\d)?\b))?"
    ),
    # Mon, 30 Nov 2026 01:00:00 GMT, Mon Nov 30 01:00:00 UTC 2026, 30-Nov-2026, 3:05 PM
    re.compile(
        rf"\b(?:{_DAY},? )?(?:\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}}(?:,? \d{{4}})?)\b(?:,? {_CLOCK})?(?: \d{{4}}\b)?"
        rf"|(?<![\w.:]){_CLOCK}(?![\w:])"
    ),
    # Addresses of IPv6, in brackets where a port follows.
    re.compile(rf"\[{_IPV6}\](?::\d{{1,5}})?|(?<![\w:]){_IPV6}(?![\w:])"),
)
_URL = re.compile(r"\b([a-z][a-z\d+.-]{1,20}://[^\s/?#'\"<>)\]}]{1,255})[/?#][^\s'\"<>)\]}]*")
# A file's name; the folder stays, and so do files of code, which are where something fails.
_FILE = re.compile(
    r"(?<![\w.:/])((?:~|\.{1,2})?/(?:[\w.@+-]{1,80}/)*)[\w@+-][\w.@+-]{0,80}\.([A-Za-z]{1,5})(?!\w)"
)
_WINDOWS = re.compile(r"\b[A-Za-z]:\\[^\s:*?\"<>|']+")
_SOURCES = frozenset(
    ("py", "java", "kt", "scala", "js", "ts", "go", "rb", "rs", "cs", "cpp", "so", "jar", "class")
)
# Jackson shows the document that it reads, PostgreSQL the row that it refuses: their quotes and words are data.
_DOCUMENT = re.compile(r"(\[Source: )[^\n]{0,1000}?(?=; line)|(Failing row contains )\([^\n]*")
_TOKEN = re.compile(r"[\w.\-+@$%~]+")
_HEX = re.compile(r"[0-9a-fA-F]{8,}")
_ENDS = ".-+"
_HOLES = re.compile(r"\*(?:[\s,;:/|=&]*\*)+")
_SPACE = re.compile(r"\s+")


def normalised(message: str) -> str:
    """What messages of one cause have in common: what is quoted, and every token that is a number or an id, is `*`.

    A token is an id if it has a digit or an @, or is hexadecimal of 8 letters or more. So are times, addresses, files and
    what follows the host in a URL. Several in a row are one, so that a list of three ids reads like one of five. What stays
    is what tells causes apart: names in code, also in quotes (`customer_id`, `OrderLine`, `com.acme.Order.getTotal()`), and
    codes such as `HTTP 503` and `ORA-01400`. Takes time in proportion to the length of the message.
    """
    text = message[:_MAX_READ].translate(_TAKEN)
    if _KEY.fullmatch(text) and not _HEX.fullmatch(text.strip().strip("'")):
        return text.strip()
    text = _NUMBERED_NAME.sub(_with_name, _CODE.sub(_with_code, text))
    text = _QUOTED.sub(_without_data, _DOCUMENT.sub(_without_document, text))
    text = _FILE.sub(_without_file, _URL.sub(r"\1/*", _WINDOWS.sub(_HOLE, text)))
    for naming in _NAMING:
        text = naming.sub(_HOLE, text)
    text = _HOLES.sub(_HOLE, _TOKEN.sub(_without_id, text))
    return _SPACE.sub(" ", text).strip()[:_MAX_MESSAGE].translate(_GIVEN_BACK)


def _with_code(found: re.Match[str]) -> str:
    word = re.match(r"[a-z]*?(?=code)", found[0], re.IGNORECASE)
    before = found.string[max(0, found.start() - _MAX_NOUN) : found.start()] + (word[0] if word else "")
    return found[0] if word and _OTHER_CODES.search(before) else found[0].translate(_KEPT)


def _with_name(found: re.Match[str]) -> str:
    return found[0] if _HEX.fullmatch(found[2]) else found[1] + found[2].translate(_KEPT)


def _without_data(found: re.Match[str]) -> str:
    content = found[0][1:-1]
    if len(content) > _MAX_NAME:
        return _HOLE
    noun = found.string[max(0, found.start() - _MAX_NOUN) : found.start()]
    is_name = _NAME.fullmatch(content) or (_NAMED.search(noun) and _WORD.fullmatch(content))
    return found[0].translate(_KEPT) if is_name and not _HEX.fullmatch(content) else _HOLE


def _without_document(found: re.Match[str]) -> str:
    return f"{found[1] or found[2]}{_HOLE}"


def _without_file(found: re.Match[str]) -> str:
    return found[0] if found[2].lower() in _SOURCES else f"{found[1]}{_HOLE}"


def common_words(message: str | None) -> str | None:
    """What messages of one cause have in common, for people; where that is no word at all, with one of them.

    What `KeyError` says is only the key, in quotes.
    """
    if message is None:
        return None
    common = normalised(message)
    first = message.strip().partition("\n")[0][:_MAX_EXAMPLE]
    return common if any(map(str.isalpha, common)) or not first else f"{common}, such as {first}"


def cause_of(group: str | None, event_type: str | None, error_type: str | None, message: str | None) -> str:
    """The fingerprint of what a dead letter died of.

    Args:
        group: Who gave the message up.
        event_type: What it was.
        error_type: Class of the error.
        message: The error's message; only what is common to its kind counts.
    """
    return fingerprint(group, event_type, error_type, None if message is None else normalised(message))


def fingerprint(*values: str | None) -> str:
    """16 hexadecimal characters that stand for these values, in this order."""
    return blake2b(b"".join(_parts(values)), digest_size=8).hexdigest()


def trend_of(last_hour: int, hour_before: int) -> str:
    """`rising`, `falling` or `steady` by how many came in the last two hours; `quiet` if none did."""
    if not last_hour and not hour_before:
        return "quiet"
    if last_hour == hour_before:
        return "steady"
    return "rising" if last_hour > hour_before else "falling"


def _without_id(found: re.Match[str]) -> str:
    token = found[0]
    core = token.rstrip(_ENDS)
    if "@" in core or _HEX.fullmatch(core) or any(map(str.isdigit, core)):
        return _HOLE + token[len(core) :]
    return token


def _parts(values: Iterable[str | None]) -> Iterable[bytes]:
    """Each with its length before it: no two rows of values are alike once they are joined."""
    for value in values:
        if value is None:
            yield b"-"
        else:
            text = value.encode("utf-8", "surrogatepass")
            yield b"%d:%b" % (len(text), text)
