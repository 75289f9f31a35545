"""What edits did to a source, in sentences for a person; first passes have their own to add."""

from collections.abc import Iterator

from tasks.media.edits import canvas, crop, trim
from tasks.media.edits.editing import EditPlan

_FLIPS = {"horizontal": "left to right", "vertical": "upside down"}


def sentences(plan: EditPlan) -> tuple[str, ...]:
    """Return what is done to the source's own part by edits that need no further file, in the order of the doing."""
    return (*_of_time(plan), *_of_picture(plan), *_of_ends(plan))


def _of_time(plan: EditPlan) -> Iterator[str]:
    options, source = plan.options, plan.source
    if trim.is_wanted(options.trim):
        kept = trim.part(options.trim, source)
        start = float(kept.first_frame / source.frame_rate)
        yield f"Of {source.duration_seconds:.2f} s, {plan.part_seconds:.2f} s were kept, from {start:.2f} s on."
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
    if canvas.is_wanted(options.canvas):
        how = "with bars around it" if options.canvas.fit == "pad" else "by its middle"
        yield f"The picture was fitted to {plan.own.size[0]}x{plan.own.size[1]} pixels, {how}."


def _of_ends(plan: EditPlan) -> Iterator[str]:
    options = plan.options
    if options.sound.mode == "mute" and plan.source.has_sound:
        yield "Its sound was taken away."
    for name, seconds in (("in from", options.fade.in_seconds), ("out to", options.fade.out_seconds)):
        if seconds:
            yield f"It fades {name} black and silence within {seconds:g} s."
