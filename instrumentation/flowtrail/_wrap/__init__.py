"""Clients with telemetry around them, for programs that keep their own loop."""
