"""Getting dead letters back to where they came from."""

from flowtrail_collector.redrive._desk import Dossier, RedriveDesk
from flowtrail_collector.redrive._redriver import BATCH, Redriver

__all__ = ["BATCH", "Dossier", "RedriveDesk", "Redriver"]
