"""A provider of people whose every answer a test decides, for what no real one would ever say."""
