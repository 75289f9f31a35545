"""Names of Prefect's limits that keep our own: written by the bootstrap, asked by the tasks."""


def rate_limit_name(provider: str) -> str:
    """Return the name of the global rate limit of a provider of generations."""
    return f"dailies-provider-{provider}"
