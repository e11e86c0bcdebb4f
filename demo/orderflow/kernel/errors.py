"""What a domain refuses."""


class DomainError(Exception):
    """A rule of the domain was about to be broken; trying again won't help."""
