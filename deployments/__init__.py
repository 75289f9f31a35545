"""WHERE: what starts, registers and hosts the flows."""
