"""A ComfyUI: prompts, queue, history, uploads, views, interruption, and progress over its websocket."""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.fakes.provider_server import ProviderServer

POLLS_TO_FINISH = 3


@dataclass
class Prompt:
    """A prompt, from the queue to the history."""

    id: str
    nodes: dict[str, Any]
    extra_data: dict[str, Any]
    polls: int = 0
    """How often the history was asked for it; it runs from the first time on."""
    status: dict[str, Any] = field(default_factory=dict)


class ComfyUIServer(ProviderServer):
    """The server. Two prompts never run at once; the oldest runs, and is finished after it was asked for thrice."""

    def __init__(self, result: bytes, *, takes_prompt_ids: bool = True) -> None:
        super().__init__(result)
        self.takes_prompt_ids = takes_prompt_ids
        self.filename = "made_00001_.mp4"
        self.uploads: dict[str, bytes] = {}
        self.prompts: dict[str, Prompt] = {}
        self.interrupted: list[str] = []
        self.fail_next_with = ""
        """What the next prompt fails with while it is made."""
        self.odd_queue = False
        self.is_stuck = False
        self.sockets: dict[str, web.WebSocketResponse] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/system_stats", self._stats),
            web.post("/upload/image", self._upload),
            web.post("/prompt", self._prompt),
            web.get("/queue", self._queue),
            web.post("/queue", self._change_queue),
            web.get("/history", self._history),
            web.get("/history/{id}", self._history),
            web.get("/view", self._view),
            web.post("/interrupt", self._interrupt),
            web.get("/ws", self._socket),
        ]

    def complain(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
        """ComfyUI's own form: type, message, details, and what is wrong with which node."""
        error = {"type": code, "message": message, "details": "", "extra_info": {}}
        return web.json_response({"error": error, "node_errors": {}}, status=status, headers=headers)

    def restart(self) -> None:
        """Forget everything."""
        self.prompts.clear()

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response({"system": {"comfyui_version": "0.9.1"}, "devices": []})

    async def _upload(self, request: web.Request) -> web.Response:
        image = (await request.post())["image"]
        assert isinstance(image, web.FileField)
        self.uploads[image.filename] = image.file.read()
        return web.json_response({"name": image.filename, "subfolder": "", "type": "input"})

    async def _prompt(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        extra = dict(body.get("extra_data", {}), client_id=body["client_id"])

        def accept() -> dict[str, Any]:
            own = body.get("prompt_id") if self.takes_prompt_ids else None
            prompt = Prompt(str(own or uuid.uuid4()), body["prompt"], extra)
            if self.fail_next_with:
                prompt.status = _error(self.fail_next_with)
                self.fail_next_with = ""
            self.prompts[prompt.id] = prompt
            return {"prompt_id": prompt.id, "number": len(self.prompts), "node_errors": {}}

        return await self.take(request, accept, str(extra.get("dailies_key")))

    async def _queue(self, _: web.Request) -> web.Response:
        if self.odd_queue:
            return web.json_response({"error": "?"})
        running = self._running()
        items = [_item(each) for each in self._open()]
        return web.json_response({"queue_running": items[:1] if running else [], "queue_pending": items[1:]})

    async def _change_queue(self, request: web.Request) -> web.Response:
        running = self._running()
        for each in (await request.json()).get("delete", []):
            if each in self.prompts and not (running and running.id == each):
                del self.prompts[each]
        return web.Response()

    async def _history(self, request: web.Request) -> web.Response:
        asked = request.match_info.get("id")
        running = self._running()
        if running and running.id == asked and not self.is_stuck:
            running.polls += 1
            await self._send_progress(running)
        found = [each for each in self.prompts.values() if _is_done(each) and asked in (None, each.id)]
        return web.json_response({each.id: self._told(each) for each in found})

    async def _view(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("filename") != self.filename:
            return web.Response(status=404)
        return await self.give(request)

    async def _interrupt(self, request: web.Request) -> web.Response:
        running = self._running()
        if running:
            self.interrupted.append(running.id)
            running.polls = POLLS_TO_FINISH
            running.status = {"status_str": "error", "completed": False, "messages": [["execution_interrupted", {}]]}
        return web.Response()

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        client = request.query["clientId"]
        self.sockets[client] = socket
        await socket.send_json({"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 1}}}})
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
        self.sockets.pop(client, None)
        return socket

    async def _send_progress(self, prompt: Prompt) -> None:
        socket = self.sockets.get(prompt.extra_data["client_id"])
        if socket is None or socket.closed:
            return
        node = next(iter(prompt.nodes))
        await socket.send_json({"type": "executing", "data": {"node": node, "prompt_id": prompt.id}})
        await socket.send_bytes(b"\0\0\0\1\0\0\0\1preview")
        step = {"value": prompt.polls, "max": POLLS_TO_FINISH, "node": node, "prompt_id": prompt.id}
        await socket.send_json({"type": "progress", "data": step})
        await socket.send_str("no JSON")

    def _open(self) -> list[Prompt]:
        return [each for each in self.prompts.values() if not _is_done(each)]

    def _running(self) -> Prompt | None:
        return next(iter(self._open()), None)

    def _told(self, prompt: Prompt) -> dict[str, Any]:
        entry = {"filename": self.filename, "subfolder": "", "type": "output"}
        preview = {"filename": "preview.mp4", "subfolder": "", "type": "temp"}
        ok = {"status_str": "success", "completed": True, "messages": []}
        return {
            "prompt": _item(prompt),
            "outputs": {}
            if prompt.status
            else {"8": {"images": [preview]}, "9": {"images": [entry], "animated": [True]}},
            "status": prompt.status or ok,
        }


def workflow(*, with_image: bool = False) -> str:
    """A small workflow in the API format."""
    nodes: dict[str, Any] = {
        "1": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{prompt}}, 35 mm", "clip": ["4", 0]}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "{{negative_prompt}}", "clip": ["4", 0]}},
        "3": {
            "class_type": "EmptyHunyuanLatentVideo",
            "inputs": {"width": "{{width}}", "height": "{{height}}", "length": "{{frames}}", "batch_size": 1},
        },
        "5": {"class_type": "KSampler", "inputs": {"seed": "{{seed}}", "steps": 20}},
        "9": {"class_type": "SaveVideo", "inputs": {"fps": "{{ fps }}", "filename_prefix": "made"}},
    }
    if with_image:
        nodes["6"] = {"class_type": "LoadImage", "inputs": {"image": "{{image}}"}}
    return json.dumps(nodes)


def _item(prompt: Prompt) -> list[Any]:
    return [1, prompt.id, prompt.nodes, prompt.extra_data, ["9"]]


def _is_done(prompt: Prompt) -> bool:
    return prompt.polls >= POLLS_TO_FINISH


def _error(message: str) -> dict[str, Any]:
    said = {"node_type": "KSampler", "exception_type": "RuntimeError", "exception_message": message}
    return {"status_str": "error", "completed": False, "messages": [["execution_start", {}], ["execution_error", said]]}
