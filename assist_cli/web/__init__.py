"""The web console: pages for a browser, over the same operations as the command line (docs/console.md)."""
