"""The search over what is public, on every database."""

import pytest

from data.database import Database
from data.domain.passages import Passage, PassageKind, Passages
from data.repositories import AssetRepository, PublicationRepository
from data.search.embedding import embed, pack
from data.search.index import SearchIndex, put_in
from data.search.ranking import snippet
from tests.data.samples import sample_asset, sample_manifest

SPOKEN = {
    "finance": (
        "Stock prices fell sharply on Monday as investors sold technology shares.",
        "Thank you, and good night.",
    ),
    "weather": (
        "Rain is expected in the north, with strong winds along the coast.",
        "100% of the café's guests stayed.",
    ),
    "pets": ("The cat sits on the mat and watches the birds outside.", "Her name is Zoë_1."),
}


def publish(database: Database, name: str, texts: tuple[str, ...], version: int = 1) -> None:
    asset = sample_asset(name)
    vectors = embed(texts)
    items = tuple(
        Passage(
            kind=PassageKind.SPEECH, start_seconds=10.0 * n, end_seconds=10.0 * n + 9, text=text, vector=pack(vector)
        )
        for n, (text, vector) in enumerate(zip(texts, vectors, strict=True))
    )
    manifest = sample_manifest(asset, version, f"job-{name}-{version}").model_copy(update={"title": f"About {name}"})
    with database.session() as session:
        AssetRepository(session).record(asset)
        PublicationRepository(session).record(manifest)
        put_in(session, manifest, Passages(model="test", items=items))


@pytest.fixture
def index(database: Database) -> SearchIndex:
    for name, texts in SPOKEN.items():
        publish(database, name, texts)
    return SearchIndex(database)


@pytest.mark.parametrize(
    ("question", "title", "matched"),
    [
        ("technology shares", "About finance", "words"),
        ("what happened on the market", "About finance", "meaning"),
        ("a storm at sea", "About weather", "meaning"),
        ("a kitten on a rug", "About pets", "meaning"),
        ("CAFE", "About weather", "words"),
        ("zoe", "About pets", "words"),
        ("About pets", "About pets", "words"),
    ],
)
def test_words_and_meaning_find_the_right_video_first(
    index: SearchIndex, question: str, title: str, matched: str
) -> None:
    best = index.search(question)[0]

    assert best.title == title
    assert matched in best.matched


def test_a_hit_says_where_it_is(index: SearchIndex) -> None:
    (hit, *_) = index.search("café guests")

    assert (hit.start_seconds, hit.kind) == (10.0, PassageKind.SPEECH)
    assert "café" in hit.snippet
    assert index.search("café guests", kinds=frozenset({PassageKind.TITLE})) == ()


@pytest.mark.parametrize("question", ["100%", "a_b", "'; DROP TABLE passages; --", "\\", "the", "%", "日本", "🎬"])
def test_no_question_is_a_statement_or_a_pattern(index: SearchIndex, question: str) -> None:
    index.search(question)

    assert len(index.search("cat mat")) >= 1


def test_publishing_again_replaces_and_nothing_is_found_twice(index: SearchIndex, database: Database) -> None:
    publish(database, "pets", ("The dog sleeps.",), version=2)
    fresh = SearchIndex(database)

    assert [hit.snippet for hit in fresh.search("dog")][:1] == ["The dog sleeps."]
    assert not [hit for hit in fresh.search("cat sits on the mat") if "cat" in hit.snippet]


def test_the_meanings_in_memory_follow_the_catalogue(index: SearchIndex, database: Database) -> None:
    assert index.search("a kitten on a rug")[0].title == "About pets"
    publish(database, "pets", ("Cooking pasta takes nine minutes.",), version=2)
    index._read_at = float("-inf")  # as two seconds later

    assert index.search("how long to boil noodles")[0].title == "About pets"
    assert all("cat" not in hit.snippet for hit in index.search("a kitten on a rug"))


def test_a_snippet_shows_the_word_in_the_middle_of_a_long_passage() -> None:
    text = "before " * 60 + "Needle " + "after " * 60

    cut = snippet(text, ["needle"])

    assert "Needle" in cut
    assert len(cut) <= 202
    assert cut.startswith("…before")
    assert cut.endswith("after…")


def test_the_end_of_another_word_is_no_hit_but_its_beginning_is(index: SearchIndex) -> None:
    assert all("words" not in hit.matched for hit in index.search("long"))
    assert index.search("tech")[0].title == "About finance"


@pytest.mark.parametrize("question", ["About", "a kitten on a rug", "technology shares"])
def test_a_search_of_an_owner_finds_what_is_theirs_alone(index: SearchIndex, database: Database, question: str) -> None:
    pets = sample_asset("pets").id
    with database.session() as session:
        AssetRepository(session).own([pets], "ann")

    assert {hit.asset_id for hit in index.search(question, owner="ann")} <= {pets}
    assert index.search("a kitten on a rug", owner="ann")[0].asset_id == pets
    assert index.search(question, owner="bob") == ()
    assert index.search(question)
