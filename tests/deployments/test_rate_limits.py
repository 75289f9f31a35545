from prefect.client.orchestration import SyncPrefectClient

from data.settings import GenerationSettings, ProviderSettings, Settings
from deployments.bootstrap import run_environment
from deployments.rate_limits import apply_rate_limits
from deployments.stack import Stack


def provider(**values: object) -> ProviderSettings:
    return ProviderSettings.model_validate({"name": "farm", "engine": "comfyui", "url": "http://farm:1", **values})


def test_prefect_keeps_the_rate_limits_of_providers(prefect_server: Stack) -> None:
    with SyncPrefectClient(prefect_server.prefect_api_url) as client:
        for per_minute in (30, 60):
            settings = GenerationSettings(providers=[provider(requests_per_minute=per_minute)])
            apply_rate_limits(client, settings)
        limit = client.read_global_concurrency_limit_by_name("dailies-provider-farm")

    assert (limit.limit, limit.slot_decay_per_second) == (6, 0.9)


def test_runs_get_the_providers_from_their_pool_unless_one_has_a_key() -> None:
    def given(**values: object) -> str | None:
        settings = Settings(generation=GenerationSettings(providers=[provider(**values)]), _env_file=None)
        return run_environment(settings).get("DAILIES_GENERATION__PROVIDERS")

    assert given() == '[{"name":"farm","engine":"comfyui","url":"http://farm:1"}]'
    assert given(api_key="hidden") is None
