from pathlib import Path

from data.domain.assets import SourceFacts
from data.domain.recipes import Recipe
from tasks.media.arguments import WorkFiles, encode_arguments
from tasks.media.opening import Opener, paired
from tasks.media.plan import plan_encode
from tests.fakes.source_facts import source_facts

OPENER = Opener(("-protocol_whitelist", "file"), 2)


def opened(facts: SourceFacts, start_seconds: float) -> dict[str, str]:
    """The options before the input of an encode whose source is trimmed."""
    recipe = Recipe.parse({"edit": {"trim": {"start_seconds": start_seconds}}})
    work = WorkFiles(Path("/scratch"))
    built = encode_arguments(Path("/clip.mp4"), facts, recipe, plan_encode(facts, recipe), work, OPENER)
    names = ("-ss", "-protocol_whitelist", "-noaccurate_seek")
    return {name: built[built.index(name) + 1] for name in names if name in built}


def test_a_trim_seeks_to_shortly_before_its_first_frame() -> None:
    assert opened(source_facts(), 30) == {
        "-ss": "29.520000",
        "-protocol_whitelist": "file",
        "-noaccurate_seek": "-protocol_whitelist",
    }


def test_it_counts_from_the_first_picture() -> None:
    assert opened(source_facts(picture_delay_seconds=0.25), 30)["-ss"] == "29.770000"


def test_the_beginning_is_not_sought() -> None:
    assert "-ss" not in opened(source_facts(), 0.4)


def test_arguments_become_the_options_of_a_builder() -> None:
    assert paired(("-a", "1", "-b", "2")) == {"a": "1", "b": "2"}
