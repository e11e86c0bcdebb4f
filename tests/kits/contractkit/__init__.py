"""The same contracts in three formats, changes of them, and who else judges those."""

from contractkit._changes import CASES, Case
from contractkit._dialects import DIALECTS, Dialect, FieldKind, write
from contractkit._judges import of_buf, of_java, of_registry

__all__ = ["CASES", "DIALECTS", "Case", "Dialect", "FieldKind", "of_buf", "of_java", "of_registry", "write"]
