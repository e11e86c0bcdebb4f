"""What changed lately, for whoever is on call: the worst first."""
