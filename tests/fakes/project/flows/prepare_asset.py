from prefect import flow


@flow(name="prepare-asset")
def prepare_asset() -> None:
    return None
