from prefect import flow


@flow(name="check-providers")
def check_providers() -> int:
    return 0
