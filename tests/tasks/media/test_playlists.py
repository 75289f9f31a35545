import xml.etree.ElementTree as ET

import pytest

from tasks.media.playlists import (
    CaptionRendition,
    MediaPlaylist,
    Segment,
    attributes,
    caption_playlist,
    dash_summary,
    dash_with_captions,
    dash_with_sound,
    media_playlist,
    media_renditions,
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
TRACK = """\
#EXTM3U
#EXT-X-MAP:URI="720p/init.mp4"
#EXTINF:4.000,
720p/00001.m4s
#EXTINF:2.500,
720p/00002.m4s
#EXT-X-ENDLIST
"""
TEMPLATE = """\
<SegmentTemplate timescale="12800" initialization="720p/init.mp4" media="720p/$Number%05d$.m4s" startNumber="7">
<SegmentTimeline><S t="0" d="25600" r="1"/><S t="51200" d="16384"/></SegmentTimeline></SegmentTemplate>
"""
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
    assert media_playlist(playlist) == MediaPlaylist(None, (Segment("captions-en.vtt", 44.042),))


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


def test_a_media_playlist_names_its_files_in_the_order_of_playing() -> None:
    playlist = media_playlist(TRACK)

    assert playlist.paths == ("720p/init.mp4", "720p/00001.m4s", "720p/00002.m4s")
    assert [segment.seconds for segment in playlist.segments] == [4.0, 2.5]
    assert playlist.seconds == 6.5


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("#EXTM3U\n", "", "complete"),
        ("#EXT-X-ENDLIST\n", "", "complete"),
        ("#EXTINF:2.500", "#EXT-X-BYTERANGE:50@9\n#EXTINF:2.500", "parts of files"),
        ('init.mp4"', 'init.mp4",BYTERANGE="10@0"', "parts of files"),
        ("#EXTINF:2.500", '#EXT-X-MAP:URI="b.mp4"\n#EXTINF:2.500', "midway"),
        ("2.500", "nan", "duration"),
        ("2.500", "inf", "duration"),
        ("2.500", "-2.5", "duration"),
        ("2.500", "long", "float"),
    ],
)
def test_a_media_playlist_that_cannot_be_played_is_an_error(before: str, after: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        media_playlist(TRACK.replace(before, after))


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


def test_a_dash_template_is_spelt_out_as_far_as_its_timeline_goes() -> None:
    mpd = MPD.replace("<BaseURL>audio.mp4</BaseURL>", TEMPLATE)

    assert dash_summary(mpd).paths == ("720p/init.mp4", "720p/00007.m4s", "720p/00008.m4s", "720p/00009.m4s")


@pytest.mark.parametrize(
    ("media", "expected"), [("$Number$.m4s", "7.m4s"), ("a.m4s", "a.m4s"), ("$Time$.m4s", "$Time$.m4s")]
)
def test_only_numbers_are_filled_into_a_dash_template(media: str, expected: str) -> None:
    mpd = MPD.replace("<BaseURL>audio.mp4</BaseURL>", TEMPLATE.replace("720p/$Number%05d$.m4s", media))

    assert dash_summary(mpd).paths[1] == expected


@pytest.mark.parametrize("text", ["", "<MPD", "<html/>", '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"/>'])
def test_what_is_not_an_mpd_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="MPD"):
        dash_summary(text)
