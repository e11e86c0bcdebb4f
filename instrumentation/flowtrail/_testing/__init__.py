"""What `flowtrail.testing` is made of."""
