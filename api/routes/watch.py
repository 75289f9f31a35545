"""The player page: our own static files, nothing foreign."""

from pathlib import Path

from fastapi import APIRouter
from fastapi.staticfiles import StaticFiles
from starlette.responses import FileResponse

from api.middleware import PAGE_CSP

CONSOLE = Path(__file__).parent.parent / "console"

router = APIRouter(include_in_schema=False)
console_files = StaticFiles(directory=CONSOLE)


@router.get("/watch/{asset_id}")
async def watch(asset_id: str) -> FileResponse:
    """Show the player of an asset; the page itself finds out what there is to play."""
    headers = {"Content-Security-Policy": PAGE_CSP, "Cache-Control": "no-cache"}
    return FileResponse(CONSOLE / "watch.html", headers=headers)
