"""Look at a finished candidate with tools: decode it, count its packets, read its pictures. Judging is `checks`' part.

A file that cannot be read is a finding, not an error: errors are raised only for trouble with the tools themselves.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data.domain.errors import EncodeFailedError
from tasks.media.boxes import boxes
from tasks.media.measures import Decoded, ToolLog, read_log
from tasks.media.process import Limits, run_ffmpeg, run_tool
from tasks.media.tools import Toolset

# The candidate is ours, yet nothing in it may make a tool leave the machine.
_OURS = ["-protocol_whitelist", "file"]


@dataclass(frozen=True)
class Inspector:
    """What it takes to run the tools on one candidate; lives as long as one check."""

    tools: Toolset
    scratch: Path
    limits: Limits
    run_id: str = ""

    def decode_variant(self, master: Path, index: int, *, has_audio: bool) -> ToolLog | None:
        """Play one variant with its sound through the master playlist to the end, measuring; ``None`` if it cannot.

        Args:
            master: The master playlist.
            index: Position of the variant in it.
            has_audio: Whether sound belongs to it.
        """
        picture = ["-map", f"0:p:{index}:v", "-vf", "blackdetect=d=0.1"]
        sound = ["-map", f"0:p:{index}:a", "-af", "silencedetect=noise=-50dB:duration=0.5,ebur128=framelog=quiet"]
        return self._decode("variant", ["-i", str(master), *picture, *(sound if has_audio else [])])

    def decode_ends(
        self, head: Path, tail: Path, tail_start_seconds: float, length_seconds: float
    ) -> tuple[Decoded, Decoded] | None:
        """Decode the picture at the beginning and at the end; ``None`` if that fails.

        Args:
            head: A file from whose beginning ``length_seconds`` are decoded.
            tail: A file that is decoded from ``tail_start_seconds`` to its end; may be the same.
            tail_start_seconds: Where in ``tail`` the end begins.
            length_seconds: How much of the beginning.
        """
        length, start = f"{length_seconds:.6f}", f"{tail_start_seconds:.6f}"
        # The same file twice in one run could not be told apart in the log.
        seen_head = self._decode("head", ["-t", length, "-i", str(head), "-map", "0:v"])
        seen_tail = self._decode("tail", ["-ss", start, "-i", str(tail), "-map", "0:v"])
        if seen_head is None or seen_tail is None:
            return None
        return _seen(seen_head), _seen(seen_tail)

    def picture_hash(self, media: Path) -> str | None:
        """Return the MD5 of the coded pictures of a file or media playlist, packet after packet; ``None``: unreadable.

        It tells whether two containers hold the same stream, at the price of reading them.
        """
        answer = self.scratch / "gate-hash.txt"
        hashing = ("-map", "0:v", "-c", "copy", "-f", "hash", "-hash", "md5", str(answer))
        try:
            run_ffmpeg(
                ["-loglevel", "error", *_OURS, "-i", str(media), *hashing],
                tools=self.tools,
                log_path=self.scratch / "gate-hash.log",
                limits=self.limits,
                run_id=self.run_id,
            )
        except EncodeFailedError:
            return None
        return answer.read_text(encoding="utf-8").strip()

    def _decode(self, name: str, arguments: Sequence[str]) -> ToolLog | None:
        log_path = self.scratch / f"gate-{name}.log"
        try:
            run_ffmpeg(
                ["-loglevel", "verbose", *_OURS, *arguments, "-f", "null", "-"],
                tools=self.tools,
                log_path=log_path,
                limits=self.limits,
                run_id=self.run_id,
            )
        except EncodeFailedError:
            return None
        return read_log(log_path)

    def tracks(self, media: Path) -> "dict[str, Track]":
        """Return the streams of a file by kind (``video``, ``audio``), every packet counted; empty if unreadable."""
        answer = self.scratch / "gate-tracks.json"
        asked = ("-count_packets", "-of", "json")
        fields = "stream=codec_type,width,height,nb_read_packets,duration:format=duration"
        try:
            run_tool(
                [self.tools.ffprobe, "-v", "error", *_OURS, *("-show_entries", fields), *asked, media],
                log_path=self.scratch / "gate-tracks.log",
                stdout_path=answer,
                limits=self.limits,
                run_id=self.run_id,
            )
        except EncodeFailedError:
            return {}
        told = json.loads(answer.read_text(encoding="utf-8"))
        whole = float(told.get("format", {}).get("duration", 0))
        return {
            stream["codec_type"]: Track(
                width=int(stream.get("width", 0)),
                height=int(stream.get("height", 0)),
                packets=int(stream.get("nb_read_packets", 0)),
                duration_seconds=float(stream.get("duration", whole)),
            )
            for stream in told.get("streams", [])
        }


def _seen(log: ToolLog) -> Decoded:
    """Pictures that were shown (those before a seek point are decoded too), and errors on the way."""
    decoded = log.decoded.get("video", Decoded())
    shown = sum(written.frames for (_, kind), written in log.encoded.items() if kind == "video")
    return Decoded(packets=decoded.packets, frames=shown, errors=decoded.errors)


@dataclass(frozen=True)
class Track:
    """One stream of a file, counted."""

    width: int
    height: int
    packets: int
    duration_seconds: float


def jpeg_size(path: Path) -> tuple[int, int] | None:
    """Return (width, height) of a complete JPEG; ``None`` for anything else."""
    data = path.read_bytes()
    if not (data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9")):
        return None
    picture = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    return None if picture is None else (int(picture.shape[1]), int(picture.shape[0]))


def has_index_in_front(mp4: Path) -> bool:
    """Say whether an MP4's index precedes its media, so that it plays while it loads."""
    with mp4.open("rb") as stream:
        try:
            kinds = (box.kind for box in boxes(stream, mp4.stat().st_size))
            return next((kind == b"moov" for kind in kinds if kind in (b"moov", b"mdat")), False)
        except ValueError:
            return False
