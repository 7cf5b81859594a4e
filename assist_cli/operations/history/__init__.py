"""The history: what ran, shown, searched, compared and pruned."""
