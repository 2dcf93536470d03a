"""Which engine and voice is heard in which split.

train: espeak-ng, flite and festival diphone / unit-selection voices.
test: voices, espeak-ng variants and one language that training never hears, of the same engines.
engine-heldout: festival's HTS engine (statistical parametric), two voices; one also a language heard nowhere else.
The HTS speaker slt is the person of the flite training voice slt; ona is a person heard nowhere else.
"""
from speech.engines import Voice

SPLITS = ("train", "test", "engine-heldout")

_ESPEAK_LANGUAGES = {
    "train": ("en-us", "en-us", "en-us", "en", "en-gb-x-rp", "en-gb-scotland", "de", "fr", "es", "it", "pt-br", "nl",
              "ru", "cmn", "hi", "cs", "fi"),
    "test": ("en-us", "en", "pl"),
}
_ESPEAK_VARIANTS = {
    "train": ("", "", "f1", "f2", "f4", "f5", "m1", "m2", "m3", "m4", "m6", "m8", "Alex", "Alicia", "Andrea", "Andy",
              "Annie", "belinda", "benjamin", "david", "ed", "edward", "grandma", "Henrique", "Hugo", "iven", "Jacky",
              "john", "klatt", "klatt3", "klatt5", "Lee", "linda", "marcelo", "Mario", "max", "Michael", "miguel", "pablo",
              "paul", "robert", "sandro", "steph", "travis", "victor", "zac"),
    "test": ("f3", "m5", "m7", "anika", "adam", "klatt2", "Gene", "quincy", "shelby"),
}
_RECORDED = {
    "train": (
        *[Voice("flite", name, "en") for name in ("rms", "slt", "kal16", "rms", "slt")],
        *[Voice("festival", name, "en") for name in ("ked_diphone", "kal_diphone")],
        *[Voice("festival", name, "it") for name in ("lp_diphone", "pc_diphone")],
        *[Voice("festival", name, "cs") for name in ("czech_dita", "czech_machac", "czech_ph")],
        Voice("festival", "suo_fi_lj_diphone", "fi"), Voice("festival", "hindi_NSK_diphone", "hi"),
        Voice("festival", "msu_ru_nsh_clunits", "ru"), Voice("festival", "msu_ru_nsh_clunits", "ru"),
    ),
    "test": (Voice("flite", "awb", "en"), Voice("flite", "awb", "en"), Voice("festival", "czech_krb", "cs"),
             Voice("festival", "hy_fi_mv_diphone", "fi"), Voice("festival", "telugu_NSK_diphone", "te")),
    "engine-heldout": (Voice("festival-hts", "cmu_us_slt_arctic_hts", "en"),
                       Voice("festival-hts", "upc_ca_ona_hts", "ca")),
}
ESPEAK_SHARE = {"train": .42, "test": .4, "engine-heldout": 0.}


def draw(split, g):
    """A voice of a split."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, not {split!r}")
    if g.random() < ESPEAK_SHARE[split]:
        language, variant = str(g.choice(_ESPEAK_LANGUAGES[split])), str(g.choice(_ESPEAK_VARIANTS[split]))
        return Voice("espeak", language + (f"+{variant}" if variant else ""), language)
    voices = _RECORDED[split]
    return voices[int(g.integers(len(voices)))]


def all_voices(split):
    """Every distinct voice of a split, espeak-ng languages and variants each once."""
    voices = dict.fromkeys(_RECORDED[split])
    for language in dict.fromkeys(_ESPEAK_LANGUAGES.get(split, ())):
        voices[Voice("espeak", language, language)] = None
    for variant in dict.fromkeys(_ESPEAK_VARIANTS.get(split, ())):
        voices[Voice("espeak", "en-us" + (f"+{variant}" if variant else ""), "en-us")] = None
    return list(voices)
