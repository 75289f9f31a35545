-- Beside the catalogue: Prefect's database, which may be pruned. Run by the image of Postgres when its volume is empty.
CREATE DATABASE prefect;
