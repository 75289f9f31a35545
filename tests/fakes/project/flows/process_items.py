from prefect import flow


@flow(name="process-items")
def process_items() -> int:
    return 0
