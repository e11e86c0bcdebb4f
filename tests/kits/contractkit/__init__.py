"""The same contracts in three formats."""

from contractkit._changes import CASES, Case
from contractkit._dialects import DIALECTS, Dialect, FieldKind, write

__all__ = ["CASES", "DIALECTS", "Case", "Dialect", "FieldKind", "write"]
