"""The audit as the API writes and shows it."""
