"""Flow files: read, with every mistake told at once, and doubted where they can hardly mean what they say."""

from flowtrail_collector.sagas.flow_file.doubts import doubts, file_doubts
from flowtrail_collector.sagas.flow_file.mistakes import FlowFileError
from flowtrail_collector.sagas.flow_file.reader import load_flows, parse_flows, read_flows

__all__ = ["FlowFileError", "doubts", "file_doubts", "load_flows", "parse_flows", "read_flows"]
