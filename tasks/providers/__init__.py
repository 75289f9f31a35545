"""HOW, for generation services: plain clients, no Prefect."""
