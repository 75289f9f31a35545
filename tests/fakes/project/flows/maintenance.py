from prefect import flow


@flow(name="maintenance")
def maintenance() -> int:
    return 0
