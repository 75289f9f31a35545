"""What edits did to a source, in sentences for a person; first passes have their own to add."""

from collections.abc import Iterator

from data.domain.edits import Corner, Cut
from data.domain.publications import KeptPart
from tasks.media.edits import crop, join, picture_in_picture
from tasks.media.edits.editing import EditPlan

_PLACES: dict[Corner, str] = {
    "top_left": "top left",
    "top": "at the top",
    "top_right": "top right",
    "left": "at the left",
    "centre": "in the middle",
    "right": "at the right",
    "bottom_left": "bottom left",
    "bottom": "at the bottom",
    "bottom_right": "bottom right",
}
_JOINED = {"intro": "an intro", "append": "a further clip", "outro": "an outro"}
_FLIPS = {"horizontal": "left to right", "vertical": "upside down"}


def sentences(plan: EditPlan) -> tuple[str, ...]:
    """Return what is done to the source's own part, and what is joined to it, in the order of the doing."""
    return (
        *_of_time(plan),
        *_of_picture(plan),
        *_of_overlays(plan),
        *_of_sound(plan),
        *_of_fades(plan),
        *_of_join(plan),
    )


def kept_part(plan: EditPlan, cut: Cut) -> KeptPart | None:
    """Return which part of the source is kept, and how it was asked for; ``None`` where all of it is."""
    if not plan.options.trim.is_wanted:
        return None
    start, end = plan.kept_seconds
    return KeptPart(start_seconds=round(start, 6), end_seconds=round(end, 6), cut=cut)


def _of_time(plan: EditPlan) -> Iterator[str]:
    options, source = plan.options, plan.source
    if options.trim.is_wanted:
        start, _ = plan.kept_seconds
        whole = plan.whole_seconds or source.duration_seconds
        yield f"Of {whole:.2f} s, {plan.part_seconds:.2f} s were kept, from {start:.2f} s on."
    if options.speed != 1:
        yield f"It plays at {options.speed:g} times its speed."
    if options.deinterlace == "always":
        yield "All pictures were deinterlaced."


def _of_picture(plan: EditPlan) -> Iterator[str]:
    options, size = plan.options, plan.source.size
    if crop.is_wanted(options.crop):
        area = crop.rectangle(options.crop, size)
        where = f"{area.left} from the left and {area.top} from the top"
        yield f"Of {size[0]}x{size[1]} pixels, {area.width}x{area.height} were kept, {where}."
    if options.rotate.degrees:
        yield f"The picture was turned clockwise by {options.rotate.degrees} degrees."
    if options.rotate.flip != "none":
        yield f"The picture was mirrored {_FLIPS[options.rotate.flip]}."
    if options.canvas.is_wanted:
        how = "with bars around it" if options.canvas.fit == "pad" else "by its middle"
        yield f"The picture was fitted to {plan.own.size[0]}x{plan.own.size[1]} pixels, {how}."


def _of_overlays(plan: EditPlan) -> Iterator[str]:
    pip, mark = plan.options.picture_in_picture, plan.options.watermark
    if pip.source:
        shown = picture_in_picture.shown_frames(pip, plan.own, plan.inputs[pip.source])
        seconds = float(shown / plan.own.frame_rate)
        yield f"Another clip is shown {_PLACES[pip.position]} for {seconds:.2f} s, from {pip.start_seconds:.2f} s on."
    if mark.is_wanted:
        what = "A text" if mark.has_text else "A picture"
        where = "all over it" if mark.tiled else _PLACES[mark.position]
        yield f"{what} lies over it as a watermark, {where}, at an opacity of {mark.opacity:.0%}."


def _of_sound(plan: EditPlan) -> Iterator[str]:
    mode = plan.options.sound.mode
    if mode == "mute" and plan.source.has_sound:
        yield "Its sound was taken away."
    elif mode == "replace" or (mode == "mix" and not plan.source.has_sound):
        yield (
            "Another sound was put to it." if not plan.source.has_sound else "Another sound takes the place of its own."
        )
    elif mode == "mix":
        yield "Another sound was mixed into its own."


def _of_join(plan: EditPlan) -> Iterator[str]:
    options = plan.options.join
    if not options.is_wanted:
        return
    rate = plan.own.frame_rate
    lengths = {role: float(clip.frame_count(rate) / rate) for role, clip in join.joined_clips(options, plan.inputs)}
    how = f"cross-fades of {options.cross_fade_seconds:g} s" if options.cross_fade_seconds else "hard cuts"
    parts = ", ".join(f"{_JOINED[role.split('.')[2]]} of {seconds:.2f} s" for role, seconds in lengths.items())
    yield f"Joined to it, by {how}: {parts}."


def _of_fades(plan: EditPlan) -> Iterator[str]:
    options = plan.options
    for name, seconds in (("in from", options.fade.in_seconds), ("out to", options.fade.out_seconds)):
        if seconds:
            yield f"It fades {name} black and silence within {seconds:g} s."
