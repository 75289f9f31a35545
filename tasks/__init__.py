"""DO: Prefect task skins over the pure functions of media, models and providers."""
