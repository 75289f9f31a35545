"""What a fork server imports: what a run imports anyway, and nothing that starts threads or opens connections.

``LIBRARIES`` names what Prefect and others import late, inside functions, when a run is under way; a test
(`tests/deployments/warm/test_preload.py`) shows what a run still has to import.
"""

LIBRARIES: tuple[str, ...] = (
    "prefect",
    "prefect.flow_engine",
    "prefect.task_engine",
    "prefect.client.orchestration",
)
FLOWS: tuple[str, ...] = ("flows.process_asset", "flows.generate_asset", "flows.maintenance")
