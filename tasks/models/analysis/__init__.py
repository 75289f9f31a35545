"""Eyes on every frame: detection, tracks, zones, appearance and checks of a picture, without Prefect or stores."""
