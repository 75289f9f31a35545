"""What an analysis came to, in sentences for a person."""

from collections.abc import Sequence

from data.domain.analysis import AnalysisSummary, EventKind, ZoneSummary

_CHECKS = {
    EventKind.BLACK: "black",
    EventKind.FREEZE: "frozen",
    EventKind.SILENCE: "silent",
    EventKind.BLUR: "blurred",
    EventKind.OVEREXPOSED: "too bright",
    EventKind.UNDEREXPOSED: "too dark",
}


def sentences(summary: AnalysisSummary) -> tuple[str, ...]:
    """Return what was looked at and found: first what there is to know, then each zone, then what looks wrong."""
    counts = summary.event_counts
    found = [
        *_seen(summary),
        *(line for zone in summary.zones for line in _zone(zone)),
        *([f"{_count(counts[EventKind.TEXT], 'text')} could be read."] if counts.get(EventKind.TEXT) else []),
        *([_shots(counts[EventKind.SHOT])] if counts.get(EventKind.SHOT) else []),
        *_throughout(summary.throughout),
        *_flaws(counts),
        *([f"Could not be judged: {', '.join(summary.unjudged)}."] if summary.unjudged else []),
        _looked_at(summary),
    ]
    if summary.is_simulated:
        found.insert(0, "SIMULATED: nothing was detected, what follows is made up.")
    return tuple(found)


def markdown(title: str, summary: AnalysisSummary, lines: Sequence[str]) -> str:
    """Return the summary as Markdown.

    Args:
        title: What the video is called.
        summary: The numbers.
        lines: Its sentences.
    """
    text = [f"# Analysis of {title}", "", *(f"- {line}" for line in lines), ""]
    if summary.tracks:
        text += ["## Longest tracks", "", "| Track | What | From | To | Confidence |", "|---:|---|---:|---:|---:|"]
        longest = sorted(summary.tracks, key=lambda track: track.first_seconds - track.last_seconds)[:20]
        text += [
            f"| {track.track} | {track.label} | {clock(track.first_seconds)} | {clock(track.last_seconds)} "
            f"| {track.confidence:.2f} |"
            for track in longest
        ]
        text.append("")
    return "\n".join(text)


def clock(seconds: float) -> str:
    """Return a time as ``1:02:03.4``, hours only where there are some."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def _seen(summary: AnalysisSummary) -> list[str]:
    if summary.track_count == 0:
        return ["Nothing was found that could be followed."]
    labels: dict[str, int] = {}
    for track in summary.tracks:
        labels[track.label] = labels.get(track.label, 0) + 1
    named = sorted(labels.items(), key=lambda each: (-each[1], each[0]))
    kinds = ", ".join(f"{count} {label}" for label, count in named[:5]) if len(named) > 1 else ""
    what = {"moving": "moving thing", "face": "face"}.get(named[0][0], named[0][0]) if len(named) == 1 else "track"
    lines = [
        f"{_count(summary.track_count, what)} {'was' if summary.track_count == 1 else 'were'} followed"
        + (f": {kinds}." if kinds else ".")
    ]
    if 1 < summary.cluster_count < summary.track_count:
        lines.append(f"By their looks they fall into {summary.cluster_count} groups.")
    return lines


def _zone(zone: ZoneSummary) -> list[str]:
    if zone.crossed_forward or zone.crossed_backward:
        return [f"{zone.zone}: crossed {zone.crossed_forward} × forward and {zone.crossed_backward} × backward."]
    if not zone.entered and not zone.left:
        return [f"{zone.zone}: nothing went in or out."]
    line = f"{zone.zone}: {zone.entered} went in, {zone.left} came out, at most {zone.most_at_once} at once"
    stay = f", for {zone.mean_dwell_seconds:.1f} s on average" if zone.mean_dwell_seconds is not None else ""
    return [f"{line}{stay}."]


def _shots(cuts: int) -> str:
    return f"It has {cuts + 1} shots."  # the first one begins without a cut


def _throughout(kinds: Sequence[EventKind]) -> list[str]:
    *others, last = [_CHECKS[kind] for kind in kinds] or [""]
    return [f"From beginning to end it is {', '.join(others)}{' and ' if others else ''}{last}."] if kinds else []


def _flaws(counts: dict[str, int]) -> list[str]:
    flaws = [f"{word} ({counts[kind]} ×)" for kind, word in _CHECKS.items() if counts.get(kind)]
    lines = [f"In places it is {', '.join(flaws)}."] if flaws else []
    if counts.get(EventKind.FLICKER):
        lines.append(
            f"Warning: it flashes more than three times a second ({counts[EventKind.FLICKER]} ×), "
            "which can harm people with photosensitive epilepsy."
        )
    return lines


def _looked_at(summary: AnalysisSummary) -> str:
    width, height = summary.size
    return (
        f"Looked at: {_count(summary.frame_count, 'frame')} of {clock(summary.duration_seconds)}, "
        f"at {width} × {height} pixels, by {summary.detector}."
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 or noun.endswith('s') else 's'}"
