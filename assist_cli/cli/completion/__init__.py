"""What is offered where somebody presses Tab.

The scripts ``assist.bash``, ``assist.zsh`` and ``assist.fish`` hold no words: they hand the line up to the cursor to
``assist completion answer SHELL`` and show what comes back. So they never grow old, and a person waits for an answer:
it is made without Typer, whose import alone costs more than all of this. What Typer would say is in ``words.json``,
which ``make generated`` writes from the commands.
"""
