"""Phonemes of English text, as a program of its own: eSpeak NG is GPL-licensed and is never loaded into our process.

``python -I espeak_worker.py LIBRARY DATA_DIRECTORY VOICE`` reads one JSON string a line and answers each with one JSON
string a line, IPA with ``^`` between the letters of one sound. It ends with its standard input, so never outlives us.
"""

import ctypes
import json
import sys

_SYNCHRONOUS = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_IPA_TIED = 0x02 | 0x80 | (ord("^") << 8)


def main() -> int:
    """Answer lines until there are no more."""
    library, data, voice = sys.argv[1:4]
    espeak = ctypes.CDLL(library)
    espeak.espeak_TextToPhonemes.restype = ctypes.c_char_p
    espeak.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    if espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DO_NOT_EXIT) < 0:
        sys.stderr.write("eSpeak NG could not read its data.\n")
        return 1
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
        sys.stderr.write(f"eSpeak NG has no voice {voice}.\n")
        return 1
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_phonemes(espeak, json.loads(line))) + "\n")
        sys.stdout.flush()
    return 0


def _phonemes(espeak: ctypes.CDLL, text: str) -> str:
    rest = ctypes.c_char_p(text.encode())
    clauses = []
    while rest.value is not None:  # one clause each time; the pointer moves on, and is null at the end
        found = espeak.espeak_TextToPhonemes(ctypes.byref(rest), _UTF8, _IPA_TIED)
        clauses.append((found or b"").decode(errors="replace"))
    return " ".join(" ".join(clauses).split())


if __name__ == "__main__":
    sys.exit(main())
