"""Whether a source already is what its highest rung asks for, so that its pictures can be taken as they are.

The answer is yes only where the copy is sure to play like an encode: the same codec, size, rate, colours and cap, every
picture at its exact time, and closed groups of pictures short enough to cut segments at. The other rungs then get their
keyframes where the copy has its own. Everything else gives a reason, for the package's notes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from data.domain.assets import SourceFacts, VideoFacts
from data.domain.recipes import VideoOptions
from tasks.media.plan import EncodePlan
from tasks.media.probe import safe_input
from tasks.media.process import Limits, run_tool
from tasks.media.tools import Toolset

_EXACT_SECONDS = 1e-5
_BUFFER_SECONDS = 2
"""How far a rate may run ahead of its cap: as much as an encode's may."""
_HD_LINES = 720
"""From so many lines on unlabelled pictures are BT.709 by custom; the copy gets the label."""
_LONGEST_LIST = 100_000
"""Characters: Linux takes 131 071 in one argument."""
_LEAD_SECONDS = 1.0
_DEFAULT_LIMITS = Limits()
OPEN_GROUP = "it has pictures that need those before their keyframe"
"""Why there is no copy of pictures that do not begin anew at their keyframes."""


@dataclass(frozen=True)
class Packet:
    """One coded picture of the source, in the order of decoding."""

    at_seconds: float
    """When it is shown."""
    size_bytes: int
    is_key: bool
    is_hidden: bool
    """An edit list says not to show it."""


@dataclass(frozen=True)
class Copied:
    """The highest rung, taken from the source as it is."""

    rung: str
    frame_count: int
    keyframe_times: str
    """Where the other rungs are to have theirs: times for ``-force_key_frames``."""
    keyframe_frames: int
    """Most frames between two of these."""
    starts_at_seconds: float | None = None
    """The keyframe at which it begins, where it is a part of the source; ``None``: it is the whole."""

    @property
    def sought_seconds(self) -> float:
        """Where reading begins: before its keyframe, at the one that an index gives there."""
        return max(0.0, (self.starts_at_seconds or 0.0) - _LEAD_SECONDS)

    def between_seconds(self, frame_rate: Fraction) -> tuple[float, float]:
        """Return between which times its pictures are shown: half a frame before the first, and before that after."""
        first = (self.starts_at_seconds or 0.0) - float(1 / frame_rate / 2)
        return first, first + float(self.frame_count / frame_rate)


def difference(facts: SourceFacts, options: VideoOptions, plan: EncodePlan) -> str:
    """Say by what the facts of a source differ from what its highest rung asks for; empty where they do not."""
    video, top = facts.video, plan.rungs[0]
    size = (top.width, top.height)
    found = {
        f"the recipe asks for {options.codec}, not H.264": options.codec != "h264",
        f"its pictures are {video.codec}, not H.264": video.codec != "h264",
        "it is not an MP4 or MOV file, whose index says for sure where decoding can begin": "mp4"
        not in facts.container,
        f"its pictures are {video.pixel_format}, not yuv420p": video.pixel_format != "yuv420p",
        "its colours are not BT.709": video.is_hdr or not _is_bt709(video),
        "it is interlaced": video.is_interlaced,
        "its rate varies": video.is_variable_rate,
        "it is to be shown turned": video.rotation_degrees != 0,
        "its pixels are not square": not video.has_square_pixels,
        f"it has {video.coded_width}x{video.coded_height} pixels, the highest rung {top.width}x{top.height}": (
            (video.coded_width, video.coded_height) != size or (video.width, video.height) != size
        ),
        f"its rate is {video.frame_rate}, that of the rungs {plan.frame_rate}": video.frame_rate != plan.frame_rate,
        "its picture does not begin at once": facts.picture_delay_seconds != 0,
    }
    return next((reason for reason, is_so in found.items() if is_so), "")


def _is_bt709(video: VideoFacts) -> bool:
    return video.color_matrix == "bt709" or (video.color_matrix is None and video.height >= _HD_LINES)


def copied_from(packets: Sequence[Packet], plan: EncodePlan) -> Copied | str:
    """Return the copy that can be made of a source's packets, or say why there can be none.

    Args:
        packets: All of its picture, in the order of decoding.
        plan: What is made of it; the facts agree with its highest rung.
    """
    top = plan.rungs[0].spec
    if len(packets) != plan.frame_count or any(packet.is_hidden for packet in packets):
        return f"it has {len(packets)} coded pictures and shows {plan.frame_count}"
    times = sorted(packet.at_seconds for packet in packets)
    if any(abs(at - index / plan.frame_rate) > _EXACT_SECONDS for index, at in enumerate(times)):
        return "its pictures are not at the exact times of their rate"
    if _is_above(packets, plan.frame_rate, top.max_kbps):
        return f"it takes more than the {top.max_kbps} kb/s of the highest rung"
    keys = [round(packet.at_seconds * plan.frame_rate) for packet in packets if packet.is_key]
    most = 2 * plan.segment_seconds * plan.frame_rate
    if not keys or keys[0] != 0 or any(end - start > most for start, end in pairwise([*keys, len(packets)])):
        return f"its keyframes are more than {2 * plan.segment_seconds:g} s apart"
    if not _is_closed(packets):
        return OPEN_GROUP
    cuts = list(_cuts(keys, plan))
    # Half a frame early: a time of six decimals may lie behind the frame that is meant.
    listed = ",".join(f"{max(0.0, float((cut - Fraction(1, 2)) / plan.frame_rate)):.6f}" for cut in cuts)
    if len(listed) > _LONGEST_LIST:
        return "it has too many segments to name their beginnings"
    longest = max(end - start for start, end in pairwise([*cuts, len(packets)]))
    return Copied(top.name, len(packets), listed, longest)


def _is_above(packets: Sequence[Packet], rate: Fraction, max_kbps: int) -> bool:
    """Whether a player that loads at the cap, and has two seconds of it in store, would ever run dry."""
    a_frame = max_kbps * 1000 / 8 / float(rate)
    store = most = _BUFFER_SECONDS * max_kbps * 1000 / 8
    for packet in packets:
        store = min(most, store + a_frame) - packet.size_bytes
        if store < 0:
            return True
    return sum(packet.size_bytes for packet in packets) > a_frame * len(packets)


def _is_closed(packets: Sequence[Packet]) -> bool:
    """Whether nothing that is decoded after a keyframe is shown before it."""
    key_at = -1.0
    for packet in packets:
        if packet.is_key:
            key_at = packet.at_seconds
        elif packet.at_seconds < key_at:
            return False
    return True


def _cuts(keys: Sequence[int], plan: EncodePlan) -> Iterator[int]:
    """The frames at which the packager begins a segment: the first keyframe in each stretch of a segment's length."""
    current = -1
    for key in keys:
        stretch = int(key / plan.frame_rate / Fraction(plan.segment_seconds).limit_denominator(1000))
        if stretch != current:
            yield key
        current = stretch


def read_packets(
    source: Path,
    stream_index: int,
    *,
    between: tuple[float | None, float | None] = (None, None),
    tools: Toolset,
    scratch: Path,
    limits: Limits = _DEFAULT_LIMITS,
    run_id: str = "",
) -> tuple[Packet, ...]:
    """Return the packets of a stream, by reading the file without decoding; a packet with no time is hidden.

    Args:
        source: The file.
        stream_index: Of which stream.
        between: Seconds by the file's clock: from the keyframe that its index gives for the first of them, until the
            second; ``None``: from its beginning, to its end.
        tools: Where ffprobe is.
        scratch: Directory for the list.
        limits: Time limits in seconds.
        run_id: Marks the process for a later sweep.

    Raises:
        DailiesError: ffprobe failed, stalled, was killed, or ran out of time or disk.
    """
    answer = scratch / "packets.csv"
    asked = ["-select_streams", str(stream_index), "-show_entries", "packet=pts_time,size,flags", "-of", "csv=p=0"]
    start, end = ("" if at is None else f"{at:.6f}" for at in between)
    if start or end:
        asked += ["-read_intervals", f"{start}%{end}"]
    run_tool(
        [tools.ffprobe, "-v", "error", *asked, *safe_input(source)],
        log_path=scratch / "packets.log",
        stdout_path=answer,
        limits=limits,
        run_id=run_id,
    )
    with answer.open(encoding="utf-8", errors="replace") as lines:
        return tuple(_packet(line) for line in lines if line.strip())


def _packet(line: str) -> Packet:
    at, size, flags, *_ = line.strip().split(",")
    is_timed = at != "N/A"
    return Packet(float(at) if is_timed else 0.0, int(size), "K" in flags, "D" in flags or not is_timed)
