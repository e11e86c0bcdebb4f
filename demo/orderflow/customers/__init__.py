"""Customer Management: what customers ordered, how loyal they are, and what they are told."""
