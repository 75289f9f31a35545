"""The player page: our own static files, nothing foreign."""

import os
from pathlib import Path

from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse

from api.middleware import PAGE_CSP

CONSOLE = Path(__file__).parent.parent / "console"

PUBLIC_FILES = frozenset({"watch.js", "watch.css", "docs.js", "docs.css", "mark.svg"})


class ConsoleFiles(StaticFiles):
    """The page's own files and nothing else of their folder."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file, if it is one of those meant for browsers."""
        return super().lookup_path(path) if path in PUBLIC_FILES else ("", None)


router = APIRouter(include_in_schema=False)
console_files = ConsoleFiles(directory=CONSOLE)


@router.api_route("/watch/{asset_id}", methods=["GET", "HEAD"])
async def watch(asset_id: str) -> FileResponse:
    """Show the player of an asset; the page itself finds out what there is to play."""
    headers = {"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"}
    return FileResponse(CONSOLE / "watch.html", headers=headers)
