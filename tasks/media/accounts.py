"""Hold what ffmpeg says that it did against what probing promised; pure.

An exit code of 0 proves nothing: a truncated file ends so with half its frames, a damaged one with frozen pictures.
"""

from fractions import Fraction

from data.domain.assets import SourceFacts
from data.domain.errors import CorruptInputError, EncodeFailedError, Fact, TruncatedInputError
from tasks.media.arguments import WorkFiles
from tasks.media.conforming import Copied
from tasks.media.edits import join
from tasks.media.edits.editing import EditPlan, watched_clips
from tasks.media.edits.inputs import Input
from tasks.media.measures import Decoded, ToolLog
from tasks.media.plan import EncodePlan

_MISSING_SECONDS = 0.5
"""So much picture may be missing at the end: containers round, and a last frame's duration is a guess."""
_MISSING_FRAMES = 2
_DECODED_SHARE = 0.85
"""Fewer pictures than this out of the source's packets is damage; hidden and empty packets explain the rest."""

_BAD_INPUT_MARKS = (
    "Error opening input",
    "Invalid data found when processing input",
    "moov atom not found",
    "Could not find codec parameters",
    "Cannot determine format of input stream",
)


def blamed(
    error: EncodeFailedError, log: ToolLog, edits: EditPlan | None = None
) -> EncodeFailedError | CorruptInputError:
    """Return the error that says whether source, further clip or encoder was at fault when ffmpeg failed."""
    said = f"{error.message}\n{error.facts.get('stderr_tail', '')}"
    for field, clip, _ in watched_clips(edits) if edits else ():
        # Of one that was not needed yet nothing is decoded, and that is no fault.
        if log.of_input(clip.path).decoded.get("video", Decoded()).errors or f"input file {clip.path}" in said:
            return CorruptInputError(f"{field}: the clip's picture cannot be decoded.", {**error.facts, "field": field})
    decoded = log.decoded.get("video")
    nothing_decoded = decoded is not None and decoded.frames == 0
    if nothing_decoded or (decoded and decoded.errors) or any(mark in said for mark in _BAD_INPUT_MARKS):
        return CorruptInputError("The source's picture cannot be decoded.", error.facts)
    return error


def verified_frame_count(
    log: ToolLog, facts: SourceFacts, plan: EncodePlan, work: WorkFiles, copied: Copied | None = None
) -> int:
    """Return how many frames every rung has, after holding them against what the source promised.

    Up to half a second (or two frames) may be missing at the end, or too many there. A copied rung has the frames of
    the source, every one of which was counted before.

    Raises:
        CorruptInputError: Nothing or too little could be decoded, or clearly more than there was a time for.
        TruncatedInputError: The pictures end early without a sign of damage.
        EncodeFailedError: The rungs differ in their number of frames.
    """
    counts = {rung.spec.name: log.frames_to(work.rung(rung.spec.name)) for rung in plan.rungs}
    if copied is not None:
        counts[copied.rung] = copied.frame_count
    encoded = min(counts.values())
    if plan.edits is None:
        refuse_damaged(log, facts, encoded=encoded, promised=plan.frame_count)
    else:
        _refuse_damaged_parts(log, facts, plan.edits, encoded=encoded)
    if encoded != max(counts.values()):
        raise EncodeFailedError(f"The rungs have different numbers of frames: {counts}.", {"encoded_frames": encoded})
    return encoded


def is_true_copy(log: ToolLog, plan: EncodePlan, work: WorkFiles, copied: Copied) -> bool:
    """Say whether a copied rung is what the others are: every picture decoded whole, and as many in each rung."""
    counts = {log.frames_to(work.rung(rung.spec.name)) for rung in plan.rungs if rung.spec.name != copied.rung}
    return not log.has_damage and counts <= {copied.frame_count}


def _refuse_damaged_parts(log: ToolLog, facts: SourceFacts, edits: EditPlan, *, encoded: int) -> None:
    """Let pass what was made of a source and of the clips that its edits work with, if none of them lacks much."""
    for field, clip, promised in watched_clips(edits):
        _refuse_damaged_clip(log, field, clip, promised=promised, frame_rate=edits.own.frame_rate)
    # As if the source held no more than is kept of it.
    kept = facts.model_copy(update={"duration_seconds": edits.part_seconds})
    # What is joined with others was filled up before, so that they begin when they should.
    made = log.counted.get(join.OWN_PART, encoded)
    promised = edits.own.frame_count
    refuse_damaged(log, kept, encoded=made, promised=promised, unseen_seconds=edits.unseen_seconds)


def _refuse_damaged_clip(log: ToolLog, field: str, clip: Input, *, promised: int, frame_rate: Fraction) -> None:
    decoded, counted = log.of_input(clip.path).decoded.get("video", Decoded()), log.counted.get(field, 0)
    details: dict[str, Fact] = {
        "field": field,
        "promised_frames": promised,
        "given_frames": counted,
        "packets": decoded.packets,
        "decoded_frames": decoded.frames,
        "decode_errors": decoded.errors,
    }
    has_errors = decoded.errors > _MISSING_FRAMES
    if counted == 0 or (has_errors and _is_mostly_damaged(decoded, clip.clip, 0.0)):
        message = f"{field}: only {decoded.frames} of {decoded.packets} pictures of the clip can be decoded."
        raise CorruptInputError(message, details)
    if counted < promised - max(_MISSING_FRAMES, _MISSING_SECONDS * frame_rate):
        message = f"{field}: the clip promised {promised} frames and gave {counted}."
        raise (CorruptInputError if has_errors else TruncatedInputError)(message, details)


def refuse_damaged(
    log: ToolLog, facts: SourceFacts, *, encoded: int, promised: int, unseen_seconds: float = 0.0
) -> None:
    """Let pass what was made of a source if it is all that the source promised.

    Args:
        log: Of the ffmpeg that decoded it.
        facts: What probing found in it.
        encoded: Frames that were made of it.
        promised: Frames that it has at the same rate by its facts.
        unseen_seconds: What was decoded besides, ahead of it.

    Raises:
        CorruptInputError: Nothing or too little could be decoded, or clearly more than there was a time for.
        TruncatedInputError: The pictures end early without a sign of damage.
    """
    decoded = log.decoded.get("video", Decoded())
    details = {
        "promised_frames": promised,
        "encoded_frames": encoded,
        "packets": decoded.packets,
        "decoded_frames": decoded.frames,
        "decode_errors": decoded.errors,
    }
    if encoded <= 0 or _is_mostly_damaged(decoded, facts, unseen_seconds):
        message = f"Only {decoded.frames} of {decoded.packets} pictures of the source can be decoded."
        raise CorruptInputError(message, details)
    tolerance = max(_MISSING_FRAMES, _MISSING_SECONDS * promised / facts.duration_seconds)
    message = f"The source promised {promised} frames and gave {encoded}."
    if encoded > promised + tolerance:
        raise CorruptInputError(f"{message} Its time stamps start over.", details)
    if encoded < promised - tolerance:
        # A cut leaves one broken picture behind; more of them are damage.
        raise (CorruptInputError if decoded.errors > _MISSING_FRAMES else TruncatedInputError)(message, details)


def _is_mostly_damaged(decoded: Decoded, facts: SourceFacts, unseen_seconds: float) -> bool:
    # Interlaced H.264 may come as one packet a field, two a frame.
    packets = decoded.packets / 2 if facts.video.is_interlaced else decoded.packets
    # A film cut without encoding carries pictures from its last keyframe on, which its edit list says not to show.
    shown = (unseen_seconds + facts.duration_seconds) * facts.video.frame_rate
    expected = min(packets, float(shown))
    return decoded.frames < expected * _DECODED_SHARE - _MISSING_FRAMES
