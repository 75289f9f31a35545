"""Batches without Prefect's decorators: taking manifests in, planning them, and feeding them to the work pools."""
