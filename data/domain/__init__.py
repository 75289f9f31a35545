"""Frozen value types and the error tree. Imports nothing of ours and no framework."""
