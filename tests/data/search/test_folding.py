from data.search.folding import folded, query_words


def test_case_accents_and_ligatures_do_not_count() -> None:
    assert folded("Élan ﬁn STRASSE Straße") == "elan fin strasse strasse"
    assert folded("日本語") == "日本語"


def test_common_words_are_left_out_where_there_are_others() -> None:
    assert query_words("Where is the Café?") == ("cafe",)
    assert query_words("to be or not to be") == ("to", "be", "or", "not")
    assert query_words("?!") == ()
