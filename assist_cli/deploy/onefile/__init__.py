"""``dist/assist``: the program with all that it needs, as one file. ``build`` makes it, ``unpack`` is how it starts."""
