"""Shell completion.

The scripts ``assist.bash``, ``assist.zsh`` and ``assist.fish`` contain no commands and options. They pass the line up
to the cursor to ``assist completion answer SHELL`` and show its answer, so they are never out of date. The answer is
made without Typer, whose import takes too long. ``words.json`` has the commands and options instead; ``make generated``
writes it.
"""
