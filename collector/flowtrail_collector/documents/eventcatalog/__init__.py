"""EventCatalog: its folder of MDX files, written of what flows."""
