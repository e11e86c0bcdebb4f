"""The collector's web side: metrics, JSON API, OTLP receiver, console."""
