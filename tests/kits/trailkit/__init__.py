"""Made-up orders and stand-ins for the collector's ports, for tests of trails, web and command line."""
