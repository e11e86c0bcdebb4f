"""An MCP server on a running collector: assistants ask what people ask, in few calls and short, typed answers."""
