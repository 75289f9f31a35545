"""What a batch came to: the results manifest, the retry manifest and the morning report.

Plain code on domain values and pandas frames, without Prefect, network or settings. Items are read in chunks and
nothing here holds more than a chunk of them, so that a million rows need no more memory than a thousand.
"""
