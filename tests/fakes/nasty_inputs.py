"""The inputs that every release must survive: each ends published or in a typed DATA failure, and opens nothing else.

``build_nasty_inputs(directory, ffmpeg, canaries)`` makes all of them in a few seconds; ``build_nasty_input`` makes one.
"""

import http.server
import os
import random
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from data.domain.errors import (
    CorruptInputError,
    DataError,
    EncodeFailedError,
    InputTooLargeError,
    InputTooLongError,
    NotMediaError,
    OutputRefusedError,
    TruncatedInputError,
    UnsupportedInputError,
)

Ending = Literal["published"] | type[DataError]

_PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=2")
_SOUND = ("-f", "lavfi", "-i", "sine=frequency=440:duration=2")
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")


@dataclass
class Canaries:
    """A local HTTP server and a FIFO that nobody may open; ``opened`` says who did."""

    url: str
    file: Path
    opened: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NastyInput:
    """One input and how it may end."""

    name: str
    path: Path
    endings: tuple[Ending, ...]
    """What ingest, transcode or the gate may make of it; one alone wherever that is certain."""
    probe_error: type[DataError] | None
    """What probing raises; ``None`` when the headers are fine."""

    def may_end_as(self, ending: str | BaseException) -> bool:
        """Say whether ``"published"`` or an error is an ending that this input may have."""
        if isinstance(ending, str):
            return ending in self.endings
        return any(isinstance(error, type) and isinstance(ending, error) for error in self.endings)


@dataclass(frozen=True)
class _Workshop:
    directory: Path
    ffmpeg: Path
    canaries: Canaries

    def run(self, name: str, *arguments: str | bytes) -> Path:
        target = self.directory / name
        command = [self.ffmpeg, "-v", "error", "-nostdin", "-y", *arguments, f"file:{target}"]
        subprocess.run(command, check=True, timeout=60)
        return target

    def write(self, name: str, content: str | bytes) -> Path:
        target = self.directory / name
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def plain(self, name: str = "plain.mp4", *arguments: str) -> Path:
        return self.run(name, *_PICTURE, *_SOUND, *_X264, "-c:a", "aac", *arguments)


Builder = Callable[[_Workshop], Path]


@dataclass(frozen=True)
class _Recipe:
    build: Builder
    endings: tuple[Ending, ...]
    probe_error: type[DataError] | None


BUILDERS: dict[str, _Recipe] = {}


def _nasty(
    *endings: Ending, probe: Literal["passes", "refuses"] | None = None, name: str = ""
) -> Callable[[Builder], Builder]:
    """Register a builder; unless told otherwise the probe refuses what may not be published."""

    def register(build: Builder) -> Builder:
        first = endings[0]
        refused = isinstance(first, type) and probe != "passes"
        error = first if refused and isinstance(first, type) else None
        BUILDERS[name or build.__name__.strip("_").replace("_", "-")] = _Recipe(build, endings, error)
        return build

    return register


def build_nasty_inputs(directory: Path, ffmpeg: Path, canaries: Canaries | None = None) -> dict[str, NastyInput]:
    """Make every nasty input in a directory and return them by name."""
    canaries = canaries or Canaries("http://127.0.0.1:9/canary", directory / "canary.mp4")
    return {name: build_nasty_input(name, directory, ffmpeg, canaries) for name in BUILDERS}


def build_nasty_input(name: str, directory: Path, ffmpeg: Path, canaries: Canaries) -> NastyInput:
    """Make one nasty input, in a folder of its own so that hostile names cannot meet."""
    folder = directory / name
    folder.mkdir(parents=True, exist_ok=True)
    recipe = BUILDERS[name]
    path = recipe.build(_Workshop(folder, ffmpeg, canaries))
    return NastyInput(name, path, recipe.endings, recipe.probe_error)


@contextmanager
def watched_canaries(directory: Path) -> Iterator[Canaries]:
    """Yield a server and a FIFO that note every visit; whoever opens the FIFO gets an end of file at once."""
    fifo = directory / "canary.mp4"
    os.mkfifo(fifo)
    canaries = Canaries("", fifo)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            canaries.opened.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    finished = threading.Event()

    def watch_fifo() -> None:
        while not finished.wait(0.005):
            try:
                # A reader of a FIFO waits for a writer, so none is missed between two looks.
                os.close(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
            except OSError:
                continue
            canaries.opened.append(str(fifo))

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    canaries.url = f"http://127.0.0.1:{server.server_port}/canary"
    threads = [threading.Thread(target=server.serve_forever), threading.Thread(target=watch_fifo)]
    for thread in threads:
        thread.start()
    try:
        yield canaries
    finally:
        finished.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()


# Not media


@_nasty(NotMediaError)
def _empty(shop: _Workshop) -> Path:
    return shop.write("empty.mp4", b"")


@_nasty(NotMediaError)
def _text(shop: _Workshop) -> Path:
    return shop.write("text.mp4", "It was the best of times, it was the worst of times.\n" * 200)


@_nasty(NotMediaError)
def _random_bytes(shop: _Workshop) -> Path:
    return shop.write("random.mp4", random.Random(7).randbytes(300_000))


# Broken


def _first_part(source: Path, share: float, name: str) -> Path:
    content = source.read_bytes()
    target = source.with_name(name)
    target.write_bytes(content[: int(len(content) * share)])
    return target


@_nasty(TruncatedInputError)
def _cut_with_the_index_at_the_end(shop: _Workshop) -> Path:
    return _first_part(shop.plain(), 0.6, "cut.mp4")


@_nasty(TruncatedInputError)
def _cut_faststart(shop: _Workshop) -> Path:
    return _first_part(shop.plain("fast.mp4", "-movflags", "+faststart"), 0.6, "cut.mp4")


@_nasty(TruncatedInputError)
def _cut_matroska(shop: _Workshop) -> Path:
    return _first_part(shop.plain("whole.mkv"), 0.6, "cut.mkv")


@_nasty(TruncatedInputError)
def _cut_avi(shop: _Workshop) -> Path:
    return _first_part(shop.run("whole.avi", *_PICTURE, *_SOUND), 0.6, "cut.avi")


@_nasty("published", CorruptInputError, EncodeFailedError, OutputRefusedError)
def _corrupt_in_the_middle(shop: _Workshop) -> Path:
    content = bytearray(shop.plain("whole.mp4", "-movflags", "+faststart").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = random.Random(7).randbytes(20_000)
    return shop.write("corrupt.mp4", bytes(content))


@_nasty(CorruptInputError)
def _header_of_nonsense(shop: _Workshop) -> Path:
    content = shop.plain("whole.mp4", "-movflags", "+faststart").read_bytes()
    moov = content.index(b"moov")
    return shop.write("nonsense.mp4", content[: moov + 4] + bytes(len(content) - moov - 4))


# Not a video


@_nasty(UnsupportedInputError)
def _png_as_mp4(shop: _Workshop) -> Path:
    return shop.run("still.png", *_PICTURE, "-frames:v", "1").rename(shop.directory / "still.mp4")


@_nasty(UnsupportedInputError)
def _jpeg_as_mp4(shop: _Workshop) -> Path:
    return shop.run("still.jpg", *_PICTURE, "-frames:v", "1").rename(shop.directory / "still.mp4")


@_nasty(UnsupportedInputError)
def _gif(shop: _Workshop) -> Path:
    return shop.run("moving.gif", *_PICTURE)


@_nasty(UnsupportedInputError)
def _picture_bomb(shop: _Workshop) -> Path:
    side = 20_000
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes((side // 8 + 1) * side), 1)), (b"IEND", b"")]
    packed = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks]
    return shop.write("bomb.mp4", b"\x89PNG\r\n\x1a\n" + b"".join(packed))


@_nasty(InputTooLargeError)
def _video_bomb(shop: _Workshop) -> Path:
    content = shop.run("small.mov", *_PICTURE, "-frames:v", "1", "-c:v", "png").read_bytes()
    said, says = struct.pack(">HH", 320, 180), struct.pack(">HH", 20_000, 20_000)
    content = content.replace(said, says)
    return shop.write("bomb.mov", content.replace(struct.pack(">II", 320, 180), struct.pack(">II", 20_000, 20_000)))


@_nasty(UnsupportedInputError)
def _sound_alone(shop: _Workshop) -> Path:
    return shop.run("sound.m4a", *_SOUND, "-c:a", "aac").rename(shop.directory / "sound.mp4")


@_nasty(UnsupportedInputError)
def _sound_with_cover_art(shop: _Workshop) -> Path:
    cover = ("-map", "0:a", "-map", "1:v", "-frames:v", "1", "-c:v", "mjpeg", "-disposition:v", "attached_pic")
    return shop.run("song.mp3", *_SOUND, *_PICTURE, *cover, "-pix_fmt", "yuvj420p")


# Ordinary, only unusual


@_nasty("published")
def _wrong_extension(shop: _Workshop) -> Path:
    return shop.plain().rename(shop.directory / "video.txt")


@_nasty("published")
def _matroska_as_mp4(shop: _Workshop) -> Path:
    return shop.plain("video.mkv").rename(shop.directory / "video.mp4")


@_nasty("published")
def _one_frame(shop: _Workshop) -> Path:
    return shop.run("one.mp4", *_PICTURE, *_X264, "-frames:v", "1")


@_nasty("published")
def _tiny(shop: _Workshop) -> Path:
    return shop.run("tiny.mp4", "-f", "lavfi", "-i", "testsrc2=s=16x16:r=25:d=1", *_X264)


@_nasty(InputTooLongError, probe="passes", name="24-hours-of-64x64")
def _day_long(shop: _Workshop) -> Path:
    return shop.run("day.mp4", "-f", "lavfi", "-i", "color=gray:s=64x64:r=1/30:d=86400", *_X264)


@_nasty("published")
def _no_sound(shop: _Workshop) -> Path:
    return shop.run("mute.mp4", *_PICTURE, *_X264)


@_nasty("published")
def _silent_sound(shop: _Workshop) -> Path:
    silence = ("-f", "lavfi", "-i", "anullsrc=r=48000:cl=stereo", "-shortest")
    return shop.run("silent.mp4", *_PICTURE, *silence, *_X264, "-c:a", "aac")


@_nasty("published", name="5.1")
def _surround(shop: _Workshop) -> Path:
    return shop.plain("surround.mp4", "-af", "pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", "-ar", "48000")


@_nasty("published", name="odd-size-4:4:4")
def _odd_size(shop: _Workshop) -> Path:
    odd = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv444p")
    return shop.run("odd.mp4", *_PICTURE, "-vf", "scale=641:271,setsar=1", *odd)


@_nasty("published")
def _rotated(shop: _Workshop) -> Path:
    return shop.run("rotated.mp4", "-display_rotation", "90", "-i", f"file:{shop.plain()}", "-c", "copy")


@_nasty("published")
def _anamorphic(shop: _Workshop) -> Path:
    return shop.plain("anamorphic.mp4", "-vf", "scale=240:180,setsar=16/11")


@_nasty("published")
def _interlaced(shop: _Workshop) -> Path:
    return shop.plain("interlaced.mp4", "-vf", "tinterlace=interleave_top,setfield=tff", "-flags", "+ilme+ildct")


@_nasty("published")
def _variable_rate(shop: _Workshop) -> Path:
    return shop.plain("variable.mp4", "-vf", "select='lt(n,20)+not(mod(n,4))'", "-fps_mode", "vfr")


def _hdr(shop: _Workshop, transfer: str, *arguments: str) -> Path:
    colours = ("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc")
    tagged = ("-vf", f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc")
    return shop.run("hdr.mp4", *_PICTURE, *tagged, *arguments, "-pix_fmt", "yuv420p10le", *colours)


@_nasty("published")
def _hdr10(shop: _Workshop) -> Path:
    master = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)"
    said = f"log-level=error:hdr10=1:repeat-headers=1:master-display={master}:max-cll=1000,400"
    return _hdr(shop, "smpte2084", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", said, "-tag:v", "hvc1")


@_nasty("published")
def _hlg(shop: _Workshop) -> Path:
    return _hdr(shop, "arib-std-b67", "-c:v", "libx264", "-preset", "ultrafast")


@_nasty("published")
def _unclean_tags(shop: _Workshop) -> Path:
    title = b"title=caf\xe9 \x1b[31mred\x07\r\n" + b"x" * 2000
    return shop.run("tags.avi", *_PICTURE, *_SOUND, "-metadata", title)


_HOSTILE_NAMES: Mapping[str, str] = {
    "option": "-i evil.mp4",
    "quotes": 'it\'s "quoted".mp4',
    "shell": "$(touch owned);`touch owned`.mp4",
    "pattern": "%03d %s.mp4",
    "colon": "http:no:host.mp4",
    "newline": "two\nlines.mp4",
    "brackets": "[v]*?{a,b}|c.mp4",
    "unicode": "früh ☀ \u202egpm.mp4",
}


def _named(name: str) -> Builder:
    return lambda shop: shop.plain().rename(shop.directory / name)


for _what, _name in _HOSTILE_NAMES.items():
    _nasty("published", name=f"name-with-{_what}")(_named(_name))


# Files that point at others


def _pointing(shop: _Workshop, text: str) -> Path:
    filled = text.replace("{url}", shop.canaries.url).replace("{file}", str(shop.canaries.file))
    return shop.write("pointing.mp4", filled)


_HLS_URL = """#EXTM3U
#EXT-X-VERSION:3
#EXT-X-TARGETDURATION:4
#EXT-X-KEY:METHOD=AES-128,URI="{url}/key"
#EXTINF:4,
{url}/segment.ts
#EXT-X-ENDLIST
"""
_HLS_FILE = """#EXTM3U
#EXT-X-TARGETDURATION:4
#EXTINF:4,
file:{file}
#EXT-X-ENDLIST
"""
_DASH = """<?xml version="1.0"?>
<!-- a comment first -->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT4S"
 minBufferTime="PT1S" profiles="urn:mpeg:dash:profile:isoff-on-demand:2011">
<Period><AdaptationSet mimeType="video/mp4"><Representation id="1" bandwidth="1000" width="320" height="180">
<BaseURL>{target}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""
_POINTING: Mapping[str, str] = {
    "hls-to-a-host": _HLS_URL,
    "hls-to-a-file": _HLS_FILE,
    "hls-after-a-byte-order-mark": "\ufeff" + _HLS_URL,
    "dash-to-a-host": _DASH.replace("{target}", "{url}/video.mp4"),
    "dash-to-a-file": _DASH.replace("{target}", "{file}"),
    "ffconcat-to-a-file": "ffconcat version 1.0\nfile '{file}'\nfile '{url}'\n",
    "concat-without-a-header": "file '{file}'\nfile '{url}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "svg-to-a-host": '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="320" height="180">'
    '<image href="{url}/picture.png" width="320" height="180"/></svg>\n',
    "smil-to-a-host": '<smil><body><video src="{url}/video.mp4"/></body></smil>\n',
    "address-alone": "{url}/video.mp4\n",
}


def _pointer(text: str) -> Builder:
    return lambda shop: _pointing(shop, text)


for _what, _content in _POINTING.items():
    _nasty(UnsupportedInputError, name=_what)(_pointer(_content))


@_nasty(CorruptInputError)
def _quicktime_reference_to_a_file(shop: _Workshop) -> Path:
    """A movie whose pictures lie in another file, as QuickTime's alias records (``alis``) say."""
    content = shop.run("whole.mov", *_PICTURE, *_X264).read_bytes()
    path = str(shop.canaries.file).encode()
    padded = path + bytes(len(path) % 2)
    # Skipped fields are zeros; see mov_read_dref in FFmpeg's libavformat/mov.c for the layout.
    alias = bytes(10) + b"\x04Disk" + bytes(23 + 12) + b"\x06canary" + bytes(57 + 16 + 4 + 16)
    alias += struct.pack(">HH", 2, len(padded)) + padded + struct.pack(">HH", 0xFFFF, 0)
    itself = b"url \0\0\0\x01"
    entry = content.index(itself) - 4
    reference = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    grown = len(reference) - 12
    patched = bytearray(content[:entry] + reference + content[entry + 12 :])
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = content.rindex(box, 0, entry) - 4
        patched[place : place + 4] = struct.pack(">I", struct.unpack_from(">I", content, place)[0] + grown)
    return shop.write("reference.mov", bytes(patched))


POINTING_INPUTS = (*_POINTING, "quicktime-reference-to-a-file")
