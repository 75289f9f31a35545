import json

import pytest

from data.domain.errors import RecipeForBatchesError, RecipeInvalidError
from data.domain.keys import options_digest
from data.domain.recipes import Recipe, override_names, value_at
from data.recipes import load_recipe


def test_overrides_replace_fields_by_dotted_name() -> None:
    recipe = Recipe().with_overrides({"captions.language": "en", "video.crf": 30, "poster": {"faces": False}})

    assert recipe.captions.language == "en"
    assert recipe.video.crf == 30
    assert not recipe.poster.faces
    assert recipe.audio == Recipe().audio


def test_overrides_leave_the_recipe_as_it_was() -> None:
    recipe = Recipe()
    recipe.with_overrides({"video.crf": 30})

    assert recipe == Recipe()
    assert recipe.with_overrides({}) is recipe


@pytest.mark.parametrize(
    "overrides",
    [
        {"video.unknown": 1},
        {"unknown": 1},
        {"unknown.deep": 1},
        {"video.crf.deeper": 1},
        {"": 1},
        {".": 1},
        {"video.": 1},
        {"name": "another"},
        {"version": 2},
        {"description": "another"},
        {"rehearsal": True},
        {"video.crf": 99},
        {"video.crf": "much"},
        {"video": None},
        {"captions.language": "../../x"},
        {"video.ladder.rungs": []},
    ],
)
def test_overrides_that_do_not_fit_are_refused(overrides: dict[str, object]) -> None:
    with pytest.raises(RecipeInvalidError):
        Recipe().with_overrides(overrides)


def test_a_refusal_names_every_field_that_is_wrong() -> None:
    with pytest.raises(RecipeInvalidError) as caught:
        Recipe.parse({"video": {"crf": 99}, "audio": {"kbps": 1}, "wrong": 1})

    problems = caught.value.facts["problems"]
    assert isinstance(problems, list)
    assert [problem.partition(":")[0] for problem in problems] == ["video.crf", "audio.kbps", "wrong"]


def test_only_what_transcode_depends_on_is_in_its_options() -> None:
    plain = Recipe()

    assert plain.with_overrides({"captions.language": "en"}).transcode_options() == plain.transcode_options()
    assert plain.with_overrides({"gate.refuse_black": False}).transcode_options() == plain.transcode_options()
    assert plain.with_overrides({"video.crf": 30}).transcode_options() != plain.transcode_options()
    assert plain.with_overrides({"thumbnails.width": 80}).transcode_options() != plain.transcode_options()


def test_a_recipe_goes_through_json_unchanged() -> None:
    recipe = Recipe().with_overrides({"captions.language": "en"})

    assert Recipe.parse(recipe.model_dump(mode="json")) == recipe


def test_recipes_that_do_the_same_share_a_digest() -> None:
    plain = Recipe()

    assert Recipe(name="other", version=9, description="Another").digest() == plain.digest()
    assert plain.with_overrides({"video.crf": 23}).digest() == plain.digest()
    assert plain.with_overrides({"gate.refuse_black": False}).digest() != plain.digest()
    assert Recipe(rehearsal=True).digest() != plain.digest()


def test_a_rehearsal_makes_nothing_of_a_single_asset() -> None:
    assert Recipe().for_one_asset() == Recipe()
    with pytest.raises(RecipeForBatchesError):
        Recipe(rehearsal=True).for_one_asset()


def test_every_override_name_is_one_that_a_recipe_takes() -> None:
    recipe = Recipe()

    assert "captions.language" in override_names()
    for name in override_names():
        assert recipe.with_overrides({name: value_at(recipe, name)}) == recipe


def test_a_recipe_that_changes_no_picture_or_sound_stays_what_it_was() -> None:
    recipe = Recipe()

    assert not recipe.has_preparation
    assert recipe.preparation_options() == {}
    assert recipe.with_overrides({"upscale.max_seconds": 5}).digest() == recipe.digest()
    assert recipe.with_overrides({"upscale.enabled": True}).digest() != recipe.digest()


@pytest.mark.parametrize(
    ("override", "section"),
    [
        ({"reframe.enabled": True}, "reframe"),
        ({"anonymise.enabled": True}, "anonymise"),
        ({"upscale.enabled": True}, "upscale"),
        ({"speech.clean_up": True}, "speech"),
    ],
)
def test_preparation_depends_on_its_own_sections_alone(override: dict[str, object], section: str) -> None:
    recipe = Recipe().with_overrides(override)

    assert recipe.has_preparation
    assert list(recipe.preparation_options()) == [section]


@pytest.mark.parametrize(
    ("edit", "field"),
    [
        ({"join": {"outro": "/in/outro.mp4"}}, "edit.join.outro"),
        ({"join": {"append": ["/in/more.mp4"]}}, "edit.join.append.0"),
        ({"picture_in_picture": {"source": "/in/host.mp4"}}, "edit.picture_in_picture.source"),
    ],
)
def test_clips_whose_faces_would_be_seen_are_refused_unless_they_are_allowed(edit: object, field: str) -> None:
    hidden = {"anonymise": {"enabled": True}, "edit": edit}

    with pytest.raises(RecipeInvalidError, match=rf"not in {field}: leave.*anonymise\.other_clips: show"):
        Recipe.parse(hidden)
    assert Recipe.parse({**hidden, "anonymise": {"enabled": True, "other_clips": "show"}}).edit.inputs
    assert Recipe.parse({"edit": edit}).edit.inputs


def test_pictures_and_sounds_have_no_faces_to_be_hidden() -> None:
    edit = {"watermark": {"source": "/in/logo.png"}, "sound": {"mode": "mix", "source": "/in/music.mp3"}}

    assert Recipe.parse({"anonymise": {"enabled": True}, "edit": edit}).edit.inputs


def test_what_is_allowed_of_other_clips_leaves_the_keys_of_hidden_faces_alone() -> None:
    hidden = Recipe().with_overrides({"anonymise.enabled": True})

    assert hidden.digest() == "b5f569324aa625c34933656a"
    assert options_digest(hidden.preparation_options()) == "5816e19ef362a9b6"
    allowed = hidden.with_overrides({"anonymise.other_clips": "show"})
    assert allowed.preparation_options() == hidden.preparation_options()


def test_a_recipe_without_edits_is_what_it_was_before_there_were_any() -> None:
    assert Recipe().digest() == "d687799bd5bf97d27540b31e"
    assert options_digest(Recipe().transcode_options()) == "7b139406277a6277"


def test_edits_are_part_of_what_is_encoded() -> None:
    edited = Recipe().with_overrides({"edit.speed": 2})

    assert edited.transcode_options() != Recipe().transcode_options()
    assert edited.digest() != Recipe().digest()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loudness.true_peak_dbtp", -2),
        ("watermark.position", "top"),
        ("watermark.text", "  "),
        ("canvas.pad_rgb", "#FFFFFF"),
        ("sound.source", "/in/unused.mp3"),
        ("join.cross_fade_seconds", 1),
        ("picture_in_picture.size", 0.4),
    ],
)
def test_what_says_how_an_edit_would_be_means_nothing_without_it(name: str, value: object) -> None:
    idle = {f"edit.{name}": value}

    for plain in (Recipe(), Recipe().with_overrides({"edit.speed": 2})):
        assert plain.with_overrides(idle).digest() == plain.digest()
        assert plain.with_overrides(idle).transcode_options() == plain.transcode_options()
    assert Recipe().with_overrides(idle).edit.is_empty


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ({"trim": {"start_seconds": 5, "end_seconds": 4}}, "4 s is not after 5 s"),
        ({"crop": {"left": 0.6, "width": 0.5}}, r"0\.6 \+ 0\.5 is more than 1"),
    ],
)
def test_edits_that_fit_no_source_at_all_are_refused_with_the_recipe(edit: dict[str, object], said: str) -> None:
    with pytest.raises(RecipeInvalidError, match=said):
        Recipe.parse({"edit": edit})


@pytest.mark.parametrize(
    ("name", "digest", "options"),
    [
        ("default", "d687799bd5bf97d27540b31e", "7b139406277a6277"),
        ("quick", "083cd7d715ffe5f3528e8272", "af958e777dac8b7b"),
        ("full", "588188dd94f86b5167783211", "7b139406277a6277"),
        ("vertical", "77fe287aa6c20a4feffb7ea5", "7b139406277a6277"),
    ],
)
def test_what_older_recipes_could_not_say_leaves_their_keys_alone(name: str, digest: str, options: str) -> None:
    recipe = load_recipe(name)

    assert recipe.digest() == digest
    assert options_digest(recipe.transcode_options()) == options


@pytest.mark.parametrize(
    "overrides",
    [
        {"video.codec": "av1"},
        {"video.encoder": "auto"},
        {"video.target_vmaf": 93},
        {"video.copy_conforming": True},
        {"audio.rendition": "mp3"},
        {"preview.format": "gif"},
    ],
)
def test_what_changes_the_output_changes_digest_and_options(overrides: dict[str, object]) -> None:
    changed = Recipe().with_overrides(overrides)

    assert changed.digest() != Recipe().digest()
    assert changed.transcode_options() != Recipe().transcode_options()


def test_a_cut_at_a_keyframe_has_keys_of_its_own_and_an_exact_one_those_it_had() -> None:
    trimmed = Recipe().with_overrides({"edit.trim.start_seconds": 5})
    at_keyframe = trimmed.with_overrides({"edit.trim.cut": "keyframe"})

    assert trimmed.digest() == "dbb9f1bc2082ebba7d556206"
    assert at_keyframe.digest() != trimmed.digest()
    assert at_keyframe.transcode_options() != trimmed.transcode_options()
    assert Recipe().with_overrides({"edit.trim.cut": "keyframe"}).digest() == Recipe().digest()


def test_a_watermark_of_a_stated_size_and_one_of_a_picture_have_the_keys_that_they_had() -> None:
    picture = Recipe().with_overrides({"edit.watermark.source": "/in/logo.png"})
    text = Recipe().with_overrides({"edit.watermark.text": "Draft"})

    assert (
        picture.digest() == picture.with_overrides({"edit.watermark.size": 0.12}).digest() == "75000ef6745daa93931c82a8"
    )
    assert text.with_overrides({"edit.watermark.size": 0.12}).digest() == "ef2dc336176dd2858c248132"
    assert text.digest() != text.with_overrides({"edit.watermark.size": 0.12}).digest()


@pytest.mark.parametrize(
    ("overrides", "wants"),
    [
        ({}, False),
        ({"video.copy_conforming": True}, True),
        ({"video.copy_conforming": True, "edit.trim.start_seconds": 5}, False),
        ({"edit.trim": {"start_seconds": 5, "cut": "keyframe"}}, True),
        ({"edit.trim": {"start_seconds": 5, "cut": "keyframe"}, "edit.sound.mode": "mute"}, True),
        ({"edit.trim": {"start_seconds": 5, "cut": "keyframe"}, "edit.speed": 2}, False),
        ({"edit.trim": {"start_seconds": 5, "cut": "keyframe"}, "reframe.enabled": True}, False),
    ],
)
def test_pictures_are_copied_where_nothing_changes_them(overrides: dict[str, object], wants: bool) -> None:
    assert Recipe().with_overrides(overrides).wants_copy is wants


def test_how_a_preview_would_look_means_nothing_without_one() -> None:
    assert Recipe().with_overrides({"preview.width": 200}).digest() == Recipe().digest()
    assert Recipe().with_overrides({"preview.format": "gif"}).digest() != (
        Recipe().with_overrides({"preview.format": "gif", "preview.width": 200}).digest()
    )


def test_a_recipe_that_does_not_analyse_is_what_it_was() -> None:
    plain = Recipe()
    zones = {"analysis.zones": [{"name": "Door", "points": [[0, 0], [1, 0], [1, 1]]}]}

    assert plain.with_overrides(zones).digest() == plain.digest()
    assert plain.with_overrides({"analysis.enabled": True}).digest() != plain.digest()
    assert "analysis" not in plain.transcode_options()


def test_analysis_alone_is_work_for_the_ai_stage() -> None:
    silent = {"captions.enabled": False, "chapters.enabled": False, "poster.faces": False}

    assert not Recipe().with_overrides(silent).has_ai_steps
    assert Recipe().with_overrides({**silent, "analysis.enabled": True}).has_ai_steps


def test_zones_are_taken_as_a_list_or_as_json() -> None:
    zones = [{"name": "Door", "kind": "line", "points": [[0, 0], [1, 1]]}]

    listed, told = (Recipe().with_overrides({"analysis.zones": given}) for given in (zones, json.dumps(zones)))
    assert listed == told
    assert listed.analysis.zones[0].points == ((0, 0), (1, 1))


@pytest.mark.parametrize(
    "zones", ["", "[{", '[{"name": "Door"}]', '{"name": "Door"}', '[{"name": "", "points": [[0, 0]]}]']
)
def test_zones_that_are_none_are_refused(zones: str) -> None:
    with pytest.raises(RecipeInvalidError, match=r"analysis\.zones"):
        Recipe().with_overrides({"analysis.zones": zones})
