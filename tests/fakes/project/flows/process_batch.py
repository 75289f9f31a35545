from prefect import flow


@flow(name="process-batch")
def process_batch(manifest: str = "", batch_id: str = "") -> int:
    return 0
