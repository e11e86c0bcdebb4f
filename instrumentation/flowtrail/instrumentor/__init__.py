"""Zero-code instrumentation, loaded by `opentelemetry-instrument`."""
