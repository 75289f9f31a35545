"""Metrics for Prometheus: what this process counts, and what Prefect and the catalogue know."""
