"""A service with OpenAI's videos API: multipart in, states, content, deletion; keys honoured where it is told to."""

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.fakes.provider_server import ProviderServer

POLLS_TO_FINISH = 3


@dataclass
class Video:
    """A generation of the service."""

    id: str
    fields: dict[str, str]
    reference: bytes | None
    polls: int = 0
    error: dict[str, str] = field(default_factory=dict)
    is_deleted: bool = False


class OpenAIVideosServer(ProviderServer):
    """The service; a generation is finished when it has been asked for three times."""

    def __init__(self, result: bytes, *, honours_keys: bool = True) -> None:
        super().__init__(result)
        self.honours_keys = honours_keys
        self.videos: dict[str, Video] = {}
        self.fail_next_with: dict[str, str] = {}
        """Error with which the next accepted generation fails while it is made."""
        self.odd_status = ""
        self._by_key: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/models", self._models),
            web.post("/v1/videos", self._create),
            web.get("/v1/videos/{id}", self._tell),
            web.delete("/v1/videos/{id}", self._delete),
            web.get("/v1/videos/{id}/content", self.give),
        ]

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "wan2.2", "object": "model"}]})

    async def _create(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key", "")
        parts = await request.post()
        reference = parts.get("input_reference")
        content = reference.file.read() if isinstance(reference, web.FileField) else None
        fields = {name: str(value) for name, value in parts.items() if name != "input_reference"}
        if self.honours_keys and key in self._by_key:
            return web.json_response(self._said(self.videos[self._by_key[key]]))

        def accept() -> dict[str, Any]:
            video = Video(f"video_{len(self.videos) + 1:04d}", fields, content, error=self.fail_next_with)
            self.fail_next_with = {}
            self.videos[video.id] = video
            self._by_key[key] = video.id
            return self._said(video)

        return await self.take(request, accept, key)

    async def _tell(self, request: web.Request) -> web.Response:
        video = self.videos.get(request.match_info["id"])
        if video is None or video.is_deleted:
            return self.complain(404, "not_found", "Video not found.")
        video.polls += 1
        return web.json_response(self._said(video))

    async def _delete(self, request: web.Request) -> web.Response:
        video = self.videos.get(request.match_info["id"])
        if video is None:
            return self.complain(404, "not_found", "Video not found.")
        video.is_deleted = True
        return web.json_response({"id": video.id, "object": "video.deleted", "deleted": True})

    def _said(self, video: Video) -> dict[str, Any]:
        status = "queued" if not video.polls else "in_progress" if video.polls < POLLS_TO_FINISH else "completed"
        if status == "completed" and video.error:
            status = "failed"
        return {
            "id": video.id,
            "object": "video",
            "model": video.fields.get("model"),
            "status": self.odd_status or status,
            "progress": min(100, round(100 * video.polls / POLLS_TO_FINISH)),
            "error": video.error if status == "failed" else None,
        }
