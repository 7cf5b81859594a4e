"""``dist/assist``: the program and its packages in one file. ``build`` makes it, ``unpack`` starts it."""
