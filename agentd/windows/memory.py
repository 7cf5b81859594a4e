"""Free memory (Windows): its content is not overwritten."""


def wipe():
    """Do nothing: free memory is not overwritten here."""


def prepare():
    """Do nothing: memory of the start is kept."""
