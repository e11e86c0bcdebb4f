"""Every sentence that an assistant is told: constants, so that nobody who writes to a topic has a word in them."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Sentence", "of_change", "of_reason"]


class Sentence(StrEnum):
    """A sentence of the server's own. What it speaks of is in the typed fields beside it."""

    # why a step is late
    DEAD_LETTER = (
        "A message that this step needs was dead-lettered: see its error in `dead_letters` or `error`."
    )
    STOPPED = "The group in `by` has no members: nobody reads what this step needs."
    STALLED = "The group in `by` has members and commits nothing although messages wait: its handler hangs or keeps failing."
    BEHIND = "The group in `by` works, and has messages to read before it gets to this one: see its lag."
    SILENT = "The group in `by` has read everything and did not answer: its handler swallowed the event, or its answer was lost."
    UNKNOWN = (
        "The step is late; nobody is known to be responsible for it, or that group's progress isn't known."
    )
    GIVEN_UP = "A consumer dead-lettered a message of it: see `dead_letters`."

    # what to do next
    LOOK_AT_LETTER = "A message was dead-lettered: see its error; plan_redrive with this id counts what a redrive would do."
    LOOK_AT_GROUP = "The group named in `groups` has not got to it: see its status, members and lag."
    LOOK_AT_TRAIL = "The group has read everything and did not answer: find_trail shows what it did last."
    CHOOSE = "Call again with the correlation id of one of `several`."
    WAIT = "Nothing is late: its next step is in `waiting`, with its deadline."
    REDRIVE = "redrive takes the same filters with expected_total, as_of and asked_by."

    # what went wrong lately
    BROKER = "A broker doesn't answer: the rest may be old, and much that fails besides follows from it."
    COLLECTOR = "A part of the collector doesn't work: the rest may be old."
    GROUP = "A consumer group stopped, stalls, or falls behind: group_lag shows its figures."
    LOST = "Retention removed messages before a group read them."
    STUCK = "More instances are stuck for a cause than before: stuck_causes shows it."
    ENDED = "More instances timed out, failed or were compensated than before."
    DEAD_LETTERS = (
        "Messages are dead-lettered for a new cause, or more often than before: dead_letter_causes shows it."
    )
    UNREADABLE = "A broker doesn't tell how a topic, a group or itself is."
    MAPPING = "From some records of a topic its mapping makes no event."
    OTHER = "Something else went wrong: see the fields."


_BY_WORD = {name.lower(): sentence for name, sentence in Sentence.__members__.items()}


def of_reason(reason: object) -> Sentence:
    """What a late step's reason means, by the word that the API has for it."""
    return _BY_WORD.get(reason, Sentence.UNKNOWN) if isinstance(reason, str) else Sentence.UNKNOWN


def of_change(kind: object) -> Sentence:
    """What a kind of change means, by the word that the API has for it."""
    return _BY_WORD.get(kind, Sentence.OTHER) if isinstance(kind, str) else Sentence.OTHER
