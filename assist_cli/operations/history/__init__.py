"""The history of invocations: show, search, compare and prune it."""
