"""What the collector exports: one module per family of metrics, joined by `exposition`."""
