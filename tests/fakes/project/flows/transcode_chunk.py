from prefect import flow


@flow(name="transcode-chunk")
def transcode_chunk() -> None:
    return None
