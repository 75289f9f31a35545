from data.domain import keys
from data.domain.publications import ToolVersions
from data.domain.recipes import Recipe

SHA = "ab" * 32
TOOLS = ToolVersions(ffmpeg="9.0", packager="3.8", encoder_threads=2)


def test_keys_stay_the_same_from_one_version_of_the_code_to_the_next() -> None:
    assert keys.step_key("transcode", SHA, {"a": 1, "b": ["x"]}, TOOLS) == "10f764f2c679489a76621bf5"
    assert keys.step_key("captions", SHA, {}, "whisper 1") == "49a703c32c19b921ef0a5814"


def test_the_order_of_options_does_not_matter() -> None:
    one = keys.step_key("s", SHA, {"a": 1, "b": {"c": 1, "d": 2}}, TOOLS)

    assert keys.step_key("s", SHA, {"b": {"d": 2, "c": 1}, "a": 1}, TOOLS) == one


def test_everything_that_changes_the_output_changes_the_key() -> None:
    options = Recipe().transcode_options()
    base = keys.step_key("transcode", SHA, options, TOOLS)
    others = {
        keys.step_key("captions", SHA, options, TOOLS),
        keys.step_key("transcode", "cd" * 32, options, TOOLS),
        keys.step_key("transcode", SHA, Recipe().with_overrides({"video.crf": 30}).transcode_options(), TOOLS),
        *(
            keys.step_key("transcode", SHA, options, TOOLS.model_copy(update=change))
            for change in ({"ffmpeg": "9.1"}, {"packager": "3.9"}, {"hardware_encoder": "h264_nvenc"})
        ),
    }

    assert len(others | {base}) == 7


def test_work_is_found_again_whatever_number_of_threads_did_it() -> None:
    others = (TOOLS.model_copy(update={"encoder_threads": threads}) for threads in (None, 1, 8))

    assert {keys.step_key("transcode", SHA, {}, each) for each in others} == {
        keys.step_key("transcode", SHA, {}, TOOLS)
    }


def test_places_in_the_object_store() -> None:
    asset = keys.asset_id(SHA)

    assert asset == "ab" * 12
    assert keys.source_key(SHA, ".mp4") == f"sources/ab/{SHA}.mp4"
    assert keys.package_prefix(asset, "k", "one") == f"packages/{asset}/k/one/"
    assert keys.package_record_key(asset, "k") == f"packages/{asset}/k.json"
    assert keys.artifact_prefix(asset, "captions", "k") == f"artifacts/{asset}/captions/k/"
    assert keys.publication_prefix(asset, 7, "0123456789") == f"publications/{asset}/v0007-01234567/"
    packed = keys.item_job_id("0123456789", 17)
    assert keys.publication_prefix(asset, 7, packed) == f"publications/{asset}/v0007-01234567-17/"
    assert keys.publication_manifest_key(asset) == f"publications/{asset}/publication.json"
    assert keys.upload_key("u", "name.mp4") == "uploads/u/name.mp4"
