"""WHEN: the Prefect flows, one module each."""
