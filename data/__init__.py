"""WHAT there is: settings, catalogue, object store, recipes, and the domain they speak of."""
