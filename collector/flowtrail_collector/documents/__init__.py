"""Documents about what flows: AsyncAPI written and compared, EventCatalog written. Pure: nothing here asks anybody."""
