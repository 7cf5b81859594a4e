"""What Assist costs, measured against the budgets in docs/benchmarks.md."""
