"""Costs of Assist, measured against the budgets in docs/benchmarks.md."""
