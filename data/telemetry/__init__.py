"""Telemetry: what a process tells of its work as it goes — log lines and spans, joined by the id of their trace."""
