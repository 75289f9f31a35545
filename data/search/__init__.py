"""Finding what was said and shown: cutting words into passages, what they mean, and what answers a question.

Why in ``data``: the AI stage makes passages and their meanings, the API makes the meaning of a question, and both must
do it alike; but the API may not import ``tasks``. This is the lowest room that both stand on. It knows no framework
and no settings; the model is a few files of packages, loaded when the first text is embedded, never at import.
"""
