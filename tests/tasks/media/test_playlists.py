import xml.etree.ElementTree as ET

import pytest

from tasks.media.playlists import (
    CaptionRendition,
    Segment,
    attributes,
    caption_playlist,
    dash_summary,
    dash_with_captions,
    dash_with_sound,
    media_renditions,
    segments,
    variants,
    with_captions,
    with_sound,
    without_generator_lines,
)

# As Shaka Packager 3.8 writes them, shortened.
MASTER = """\
#EXTM3U
## Generated with https://example.org version v3.8.0

#EXT-X-INDEPENDENT-SEGMENTS

#EXT-X-MEDIA:TYPE=AUDIO,URI="audio.m3u8",GROUP-ID="audio",NAME="Main",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2"

#EXT-X-STREAM-INF:BANDWIDTH=3248947,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="audio"
720p.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1061819,CODECS="avc1.64001e,mp4a.40.2",RESOLUTION=640x360,AUDIO="audio"
360p.m3u8
"""
MPD = """\
<?xml version="1.0" encoding="UTF-8"?>
<!--Generated with https://example.org version v3.8.0-->
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="urn:mpeg:dash:schema:mpd:2011 DASH-MPD.xsd" type="static" mediaPresentationDuration="PT1M4.5S">
  <Period id="0">
    <AdaptationSet id="1" contentType="audio"><Representation id="0"><BaseURL>audio.mp4</BaseURL></Representation>
    </AdaptationSet>
  </Period>
</MPD>
"""
TRACK = '#EXTM3U\n#EXT-X-MAP:URI="a.mp4",BYTERANGE="10@0"\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:100@30\na.mp4\n'
ENGLISH = CaptionRendition("en", 'English "CC"', "captions-en.m3u8", "captions-en.vtt")
GERMAN = CaptionRendition("de", "Deutsch", "captions-de.m3u8", "captions-de.vtt")


def test_every_variant_offers_the_captions() -> None:
    master = with_captions(MASTER, [ENGLISH, GERMAN])

    inf = [attributes(line) for line in master.splitlines() if line.startswith("#EXT-X-STREAM-INF")]
    assert [values["SUBTITLES"] for values in inf] == ["subs", "subs"]
    captions = [item for item in media_renditions(master) if item["TYPE"] == "SUBTITLES"]
    assert [item["LANGUAGE"] for item in captions] == ["en", "de"]
    assert {item["GROUP-ID"] for item in captions} == {"subs"}


def test_captions_are_found_but_never_forced() -> None:
    caption = media_renditions(with_captions(MASTER, [ENGLISH]))[-1]

    assert (caption["DEFAULT"], caption["AUTOSELECT"], caption["FORCED"]) == ("NO", "YES", "NO")
    assert caption["URI"] == "captions-en.m3u8"


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    assert media_renditions(with_captions(MASTER, [ENGLISH]))[-1]["NAME"] == "English CC"


def test_without_captions_the_playlists_stay_as_they_are() -> None:
    assert with_captions(MASTER, []) == MASTER
    assert dash_with_captions(MPD, []) == MPD


def test_captions_come_before_the_variants_that_name_them() -> None:
    lines = with_captions(MASTER, [ENGLISH]).splitlines()

    first_variant = next(index for index, line in enumerate(lines) if line.startswith("#EXT-X-STREAM-INF"))
    assert lines[first_variant - 1].startswith("#EXT-X-MEDIA:TYPE=SUBTITLES")
    assert lines[first_variant + 1] == "720p.m3u8"


def test_a_caption_playlist_is_one_segment_of_the_whole_duration() -> None:
    playlist = caption_playlist("captions-en.vtt", 44.0417)

    assert "#EXT-X-TARGETDURATION:45" in playlist
    assert segments(playlist) == (Segment("captions-en.vtt", 44.042, 0, None),)


def test_sound_plays_unasked_and_tells_its_language() -> None:
    sound = media_renditions(with_sound(MASTER, "eng"))[0]

    assert (sound["DEFAULT"], sound["AUTOSELECT"], sound["LANGUAGE"]) == ("YES", "YES", "en")


def test_sound_of_unknown_language_claims_none() -> None:
    sound = media_renditions(with_sound(MASTER, None))[0]

    assert sound["DEFAULT"] == "YES"
    assert "LANGUAGE" not in sound


def test_dash_sound_tells_its_language() -> None:
    assert 'contentType="audio" lang="en"' in dash_with_sound(MPD, "eng")
    assert dash_with_sound(MPD, None) == MPD


def test_the_packagers_advertisement_is_removed() -> None:
    for text in (without_generator_lines(MASTER), without_generator_lines(MPD)):
        assert "Generated" not in text
    assert len(variants(without_generator_lines(MASTER))) == 2


def test_variants_are_read_with_size_and_codecs() -> None:
    top, low = variants(MASTER)

    assert (top.playlist_path, top.width, top.height) == ("720p.m3u8", 1280, 720)
    assert low.codecs == ("avc1.64001e", "mp4a.40.2")


def test_a_variant_without_an_address_is_an_error() -> None:
    with pytest.raises(ValueError, match="address"):
        variants(MASTER.removesuffix("360p.m3u8\n"))


def test_byte_ranges_continue_where_the_last_one_ended() -> None:
    parts = segments(TRACK + "#EXTINF:2.5,\n#EXT-X-BYTERANGE:50\na.mp4\n#EXT-X-ENDLIST\n")

    assert [(part.offset, part.length, part.seconds) for part in parts] == [
        (0, 10, 0.0),
        (30, 100, 4.0),
        (130, 50, 2.5),
    ]


def test_a_playlist_that_was_cut_short_is_an_error() -> None:
    with pytest.raises(ValueError, match="complete"):
        segments(TRACK)


def test_a_dash_playlist_gains_a_text_set_and_keeps_its_namespaces() -> None:
    mpd = dash_with_captions(MPD, [ENGLISH])

    assert mpd.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"')
    assert 'xsi:schemaLocation="urn:mpeg:dash:schema:mpd:2011 DASH-MPD.xsd"' in mpd
    names = {"": "urn:mpeg:dash:schema:mpd:2011"}
    text = ET.fromstring(mpd).find("./Period/AdaptationSet[@contentType='text']", names)
    assert text is not None
    assert text.get("lang") == "en"
    assert text.findtext("./Representation/BaseURL", namespaces=names) == "captions-en.vtt"


def test_a_dash_playlist_tells_its_duration_and_files() -> None:
    summary = dash_summary(dash_with_captions(MPD, [ENGLISH]))

    assert summary.duration_seconds == 64.5
    assert summary.paths == ("audio.mp4", "captions-en.vtt")


@pytest.mark.parametrize("text", ["", "<MPD", "<html/>", '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'])
def test_what_is_not_an_mpd_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="MPD"):
        dash_summary(text)
