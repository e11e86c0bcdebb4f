"""What `ce_dataschema` says: which version of its contract an event was written with."""

from __future__ import annotations

import re
from urllib.parse import unquote

_REGISTERED = re.compile(r"/subjects/([^/]{1,200})/versions/(\d{1,9})(?:/schema)?$")


def version_in(type: str | None, dataschema: str | None) -> str | None:
    """The version that `ce_dataschema` names, as `Type/Version` or as a registry's address of it.

    None if it names none, or another type's.
    """
    if dataschema is None or type is None:
        return None
    name, _, version = dataschema.rpartition("/")
    if name == type:
        return version
    registered = _REGISTERED.search(dataschema)
    return registered[2] if registered is not None and unquote(registered[1]) == type else None
