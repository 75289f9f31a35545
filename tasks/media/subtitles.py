"""Captions that become part of the picture: cues as an ASS file, whose words light up as they are spoken. Pure text."""

from collections.abc import Sequence
from itertools import chain

from data.domain.recipes import BurnInOptions, CaptionOptions
from tasks.media.captions import Cue, Word, build_cues

FONT_FAMILY = "Source Sans Pro"
"""As the font file itself says: a wrong name falls back silently."""
_CHARACTER_WIDTH = 0.42
"""Of an ordinary letter, as a share of the line's height."""
_WIDEST_LINE = 0.88
"""Of a line, as a share of the picture's width."""
_FEWEST_CHARACTERS = 10

_HEADER = """[Script Info]
ScriptType: v4.00+
WrapStyle: 0
ScaledBorderAndShadow: yes
YCbCr Matrix: TV.709
PlayResX: {width}
PlayResY: {height}

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Spoken,{font},{size},{primary},{secondary},&H00101010,&H80000000,-1,0,0,0,100,100,0,0,1,{outline},{shadow},2,\
{side},{side},{bottom},1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def burned_in_cues(
    words: Sequence[Word],
    burn_in: BurnInOptions,
    captions: CaptionOptions,
    size: tuple[int, int],
    duration_seconds: float,
) -> tuple[Cue, ...]:
    """Divide words into cues that fit the width of a picture (width, height in pixels)."""
    line_height = burn_in.size * min(size)
    fitting = int(_WIDEST_LINE * size[0] / (_CHARACTER_WIDTH * line_height))
    most = max(_FEWEST_CHARACTERS, min(captions.max_line_characters, fitting))
    return build_cues(words, most, captions.max_lines, duration_seconds=duration_seconds)


def to_ass(cues: Sequence[Cue], options: BurnInOptions, size: tuple[int, int]) -> str:
    """Write cues as Advanced SubStation Alpha for a picture of a size (width, height in pixels)."""
    width, height = size
    line_height = options.size * min(size)
    is_karaoke = options.style == "karaoke"
    header = _HEADER.format(
        width=width,
        height=height,
        font=FONT_FAMILY,
        size=round(line_height, 1),
        primary=_colour(options.spoken_rgb if is_karaoke else options.text_rgb),
        secondary=_colour(options.text_rgb),
        outline=round(max(1.0, line_height * 0.07), 1),
        shadow=round(line_height * 0.03, 1),
        side=round(width * (1 - _WIDEST_LINE) / 2),
        bottom=round(height * options.bottom),
    )
    return header + "".join(f"{_event(cue, is_karaoke=is_karaoke)}\n" for cue in cues)


def _event(cue: Cue, *, is_karaoke: bool) -> str:
    text = _karaoke(cue) if is_karaoke else r"\N".join(_escaped(line) for line in cue.lines)
    return f"Dialogue: 0,{_clock(cue.start_seconds)},{_clock(cue.end_seconds)},Spoken,,0,0,0,,{text}"


def _karaoke(cue: Cue) -> str:
    """The words, each with the hundredths of a second for which it fills; pauses are tags of their own."""
    now = _centiseconds(cue.start_seconds)
    parts: list[str] = []
    firsts = {id(row[0]) for row in cue.rows[1:]}
    for index, word in enumerate(chain.from_iterable(cue.rows)):
        start, end = _centiseconds(word.start_seconds), _centiseconds(word.end_seconds)
        if id(word) in firsts:
            parts.append(r"\N")
        elif index and not word.joins_previous:
            parts.append(" ")
        if start > now:
            parts.append(rf"{{\k{start - now}}}")
            now = start
        lasts = max(0, end - now)
        parts.append(rf"{{\kf{lasts}}}{_escaped(word.text)}")
        now += lasts
    return "".join(parts)


def _escaped(text: str) -> str:
    """Text without what libass takes for a command; it knows no other way to write these."""
    return text.replace("\\", "⧵").replace("{", "(").replace("}", ")")


def _colour(rgb: str) -> str:
    red, green, blue = rgb[1:3], rgb[3:5], rgb[5:7]
    return f"&H00{blue}{green}{red}".upper()


def _centiseconds(seconds: float) -> int:
    return round(seconds * 100)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(_centiseconds(seconds), 6000)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest // 100:02d}.{rest % 100:02d}"
