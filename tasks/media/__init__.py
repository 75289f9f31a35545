"""HOW, for bytes: ffmpeg and packaging as pure functions. No Prefect, no network, no settings."""
