"""``python -m flows recipe …``: what jobs and rows of manifests can ask for."""

from typing import Annotated
from urllib.parse import quote

import yaml
from cyclopts import App, Parameter

from flows.cli.client import Api, connected
from flows.cli.output import Json, complain, print_json, print_table, say

app = App(name="recipe", help="See what jobs and rows of manifests can ask for by name.")


@app.command(name="list")
def list_recipes(*, api: Api = "", as_json: Json = False) -> None:
    """List the recipes."""
    with connected(api) as client:
        recipes = client.get("/recipes")
        while recipes["next"] is not None:
            page = client.get("/recipes", after=recipes["next"])
            recipes = {**page, "items": [*recipes["items"], *page["items"]]}
    if as_json:
        print_json(recipes)
        return
    rows = [(each["name"], each["origin"], str(each["version"]), each["description"]) for each in recipes["items"]]
    print_table(("NAME", "ORIGIN", "VERSION", "DESCRIPTION"), rows)
    for broken in recipes["broken"]:
        complain(f"{broken['name']}: {broken['problem']}")


@app.command
def show(
    name: Annotated[str, Parameter(help="Name of the recipe.")], /, *, api: Api = "", as_json: Json = False
) -> None:
    """Show a recipe as it takes effect: with everything that it inherits, and every default."""
    with connected(api) as client:
        found = client.get(f"/recipes/{quote(name, safe='')}")
    if as_json:
        print_json(found)
    else:
        say(yaml.safe_dump(found["recipe"], sort_keys=False, allow_unicode=True).rstrip())
