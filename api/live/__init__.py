"""Jobs as they happen: one look at Prefect for everybody who listens, and each listener's place in the story."""
