"""HOW, for local models: the model store and one module per model."""
