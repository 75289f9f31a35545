"""Static files of the pages that the API serves; no code."""
