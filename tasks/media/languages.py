"""Languages: tags as playlists want them (BCP 47, two letters where possible), and names as speakers write them."""

# ISO 639-2 codes, bibliographic and terminological, of the languages that have an ISO 639-1 code and much video.
_PAIRS = """
    ara=ar ben=bn bul=bg cat=ca ces=cs cze=cs chi=zh zho=zh cym=cy wel=cy dan=da deu=de ger=de ell=el gre=el eng=en
    est=et eus=eu baq=eu fas=fa per=fa fin=fi fra=fr fre=fr gle=ga glg=gl guj=gu heb=he hin=hi hrv=hr hun=hu hye=hy
    arm=hy ind=id isl=is ice=is ita=it jav=jv jw=jv jpn=ja kan=kn kat=ka geo=ka kor=ko lav=lv lit=lt mal=ml mar=mr
    mkd=mk mac=mk msa=ms may=ms nep=ne nld=nl dut=nl nob=nb nno=nn nor=no pan=pa pol=pl por=pt ron=ro rum=ro rus=ru
    slk=sk slo=sk slv=sl spa=es sqi=sq alb=sq srp=sr swa=sw swe=sv
    tam=ta tel=te tgl=tl tha=th tur=tr ukr=uk urd=ur vie=vi
"""
_TWO_LETTERS = dict(pair.split("=") for pair in _PAIRS.split())


def short_language(tag: str) -> str:
    """Return a language tag in its shortest form: ``eng`` and ``ENG`` are ``en``, ``por-br`` is ``pt-BR``."""
    main, _, rest = tag.strip().lower().partition("-")
    short = _TWO_LETTERS.get(main, main)
    return f"{short}-{rest.upper()}" if rest else short


NATIVE_NAMES = {
    "ar": "العربية", "bg": "Български", "bn": "বাংলা", "ca": "Català", "cs": "Čeština", "da": "Dansk", "de": "Deutsch",
    "el": "Ελληνικά", "en": "English", "es": "Español", "et": "Eesti", "fa": "فارسی", "fi": "Suomi", "fr": "Français",
    "he": "עברית", "hi": "हिन्दी", "hr": "Hrvatski", "hu": "Magyar", "id": "Bahasa Indonesia", "it": "Italiano",
    "ja": "日本語", "ko": "한국어", "lt": "Lietuvių", "lv": "Latviešu", "ms": "Bahasa Melayu", "nl": "Nederlands",
    "no": "Norsk", "pl": "Polski", "pt": "Português", "ro": "Română", "ru": "Русский", "sk": "Slovenčina",
    "sl": "Slovenščina", "sr": "Српски", "sv": "Svenska", "ta": "தமிழ்", "th": "ไทย", "tr": "Türkçe",
    "uk": "Українська", "ur": "اردو", "vi": "Tiếng Việt", "zh": "中文",
}  # fmt: skip


def language_label(code: str) -> str:
    """Return the native name of an ISO 639-1 language, or the code itself where we have none."""
    return NATIVE_NAMES.get(code, code)
