"""Memory that is free again (Windows): what stood in it stays, until somebody else asks for it."""


def wipe():
    """Overwrite what is free of the memory of this process: not done here."""


def prepare():
    """Give memory that was needed for the start only to the system: nothing to do."""
