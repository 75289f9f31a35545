"""Pictures of the user's own: looked at before they are believed, then written anew.

No program but Pillow ever opens the file that was handed in, and that one only with the readers of three formats;
ffmpeg gets a plain PNG. So a name, a bomb of pixels or a picture that is a text in truth does no harm.
"""

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from data.domain.errors import CorruptInputError, InputTooLargeError, NotMediaError, UnsupportedInputError
from data.domain.sniffing import Kind, sniff

MAX_PIXELS = 67_108_864
LONGEST_SIDE = 4096
"""Pictures are made no larger than that: nothing shows more of them."""

_FORMATS = ("PNG", "JPEG", "WEBP")
_DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")


def write_plain_picture(source: Path, target: Path, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Write a picture as a PNG with opacity, upright, without anything but its pixels.

    Args:
        source: A PNG, JPEG or WebP; of a moving one the first picture counts.
        target: The file to write.
        max_pixels: Most pixels of the source.

    Returns:
        Width and height in pixels.

    Raises:
        NotMediaError: It is empty, or no picture at all.
        UnsupportedInputError: It is a picture of another kind (SVG, TIFF …), or a video.
        InputTooLargeError: It has too many pixels.
        CorruptInputError: It begins like a picture and cannot be read.
    """
    _refuse_by_kind(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow: what is too large, or broken, is said below
            with Image.open(source, formats=_FORMATS) as opened:
                _refuse_too_large(opened.size, max_pixels)
                opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # JPEG: decode no more than is used
                opened.load()
                plain = _plain(ImageOps.exif_transpose(opened))
    except Image.DecompressionBombError as error:
        raise InputTooLargeError("The picture has far too many pixels.", {"max_pixels": max_pixels}) from error
    except UnidentifiedImageError as error:
        raise NotMediaError("The bytes of the file are no picture.") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's readers say of broken files
        raise CorruptInputError(f"The picture cannot be read: {error}.") from error
    plain.save(target, format="PNG", compress_level=1)
    return plain.size


def _refuse_by_kind(source: Path) -> None:
    sniffed = sniff(source)
    facts = {"kind": sniffed.kind.value, "format": sniffed.format_name}
    if sniffed.kind in (Kind.EMPTY, Kind.UNKNOWN):
        raise NotMediaError("The file is empty." if sniffed.kind is Kind.EMPTY else "The file is no picture.", facts)
    if sniffed.kind is not Kind.PICTURE or sniffed.format_name.upper() not in _FORMATS:
        raise UnsupportedInputError(f"{sniffed.format_name} is not taken here: hand in a PNG, JPEG or WebP.", facts)


def _refuse_too_large(size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise InputTooLargeError(
            f"The picture is {size[0]}x{size[1]}: more than {max_pixels} pixels.",
            {"width": size[0], "height": size[1], "max_pixels": max_pixels},
        )


def _plain(picture: Image.Image) -> Image.Image:
    if picture.mode in _DEEP_MODES:  # grey of 16 bits, which Pillow would clip to 8
        picture = picture.convert("I").point(lambda level: level / 256).convert("L")
    plain = picture.convert("RGBA")
    plain.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    plain.info.clear()
    return plain
