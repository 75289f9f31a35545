"""What an analysis found, as people and programs take it: tables, charts, an annotated video, sentences."""
