"""OpenTelemetry spans: receiving, keeping, finding, and Jaeger's API."""
