"""What a broker does for the collector: one folder per broker, behind the ports of the slices."""
