from prefect import flow


@flow(name="generate-asset")
def generate_asset() -> None:
    return None
