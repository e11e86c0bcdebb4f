"""The same contracts in three formats, changes of them, and who else judges those."""

from contractkit._avro_data import as_json, avro_types, avro_unions, avro_values, is_same, record
from contractkit._changes import CASES, Case
from contractkit._dialects import DIALECTS, Dialect, FieldKind, write
from contractkit._judges import of_buf, of_java, of_registry
from contractkit._odd_protos import ODD_PROTOS
from contractkit._orders import ORDER_1, ORDER_2, write_json
from contractkit._referring import REFERRING, Referring

__all__ = ["CASES", "DIALECTS", "ODD_PROTOS", "ORDER_1", "ORDER_2", "REFERRING", "Case", "Dialect", "FieldKind", "Referring",
           "as_json", "avro_types", "avro_unions", "avro_values", "is_same",
           "of_buf", "of_java", "of_registry", "record", "write", "write_json"]  # fmt: skip
