"""Phone names of each engine and language, as visemes. A phone that is not here is an error, never silence."""
from speech.visemes import VISEMES

# IPA letters (espeak-ng). A phone may have several letters: diphthongs and affricates share its time evenly.
IPA = {letter: viseme for viseme, letters in {
    "PP": "pbmɓ", "FF": "fvɱʋ", "TH": "θð", "DD": "tdnɾɲɳʈɖcɟɗȵ", "LL": "lʎɭɫɬɮʟɺ", "SS": "szʦʣ", "CH": "ʃʒɕʑʧʤʂʐ",
    "kk": "kɡgŋhxɣχʔqɦħʕɢçʝɰɴ", "RR": "ɹrʁɻʀɽ", "WW": "wʍβɸ", "aa": "aɑɐ", "ah": "ʌ", "ae": "æ", "E": "eɛ",
    "ih": "ɪɨɘᵻ", "ii": "ij", "oh": "ɔɒ", "oo": "oɤ", "ou": "uɯ", "uh": "ʊ", "yy": "yʏøœɥʉɵ", "ax": "əɜɚɝɞ",
}.items() for letter in letters}
# Stress, length, tone, syllabic and secondary-articulation marks carry no mouth shape of their own.
MARKS = set("ˈˌːˑ̩̯̃̊̈̆͡ʲʰʷˠˤʱˀ̪̺̝̞̠̟̥̬̤̻̹̜͈̀́̂̌̄̚ⁿᵝᵊ̴˥˦˧˨˩‿.0123456789^'`~|:;!?*- \u200d\u200b")
PAUSES = frozenset(("", "pau", "#", "##", "h#", "brth", "ssil", "_", "SIL", "sil"))


def _table(**groups):
    """viseme="phone phone" groups; "A_B" is viseme A, then B."""
    out = {}
    for visemes, phones in groups.items():
        for phone in phones.split():
            out[phone] = tuple(visemes.split("_"))
            assert all(v in VISEMES for v in out[phone]), phone
    return out


_US = _table(
    PP="p b m em", FF="f v", TH="th dh", DD="t d dx n en nx", LL="l el", SS="s z", CH="sh zh", DD_CH="ch jh",
    kk="k g ng hh hv", RR="r axr er", WW="w", ii="iy y", ih="ih", E="eh", E_ih="ey", ae="ae", aa="aa", ah="ah",
    oh="ao", oo_uh="ow", uh="uh", ou="uw", ax="ax", aa_uh="aw", aa_ih="ay", oh_ih="oy")
_ITALIAN = _table(
    PP="p b m", FF="f v nf", DD="t d n J", LL="l L", SS="s z", DD_SS="ts dz", CH="S Z", DD_CH="tS dZ", kk="k g ng",
    RR="r", WW="w", ii="i i1 j", E="e e1 E E1", aa="a a1", oh="O O1", oo="o o1", ou="u u1")
_FINNISH = {p + length: v for p, v in _table(
    PP="p b m", FF="f v", TH="T D", DD="t d n", LL="l L", SS="s z", CH="S Z", kk="k g N h", RR="r", WW="w",
    ii="i j", E="e", ae="@", aa="a &", oo="o", ou="u", yy="y 7").items() for length in ("", ":")}
_CZECH = _table(
    PP="p b m", FF="f v", DD="t t~ d d~ n n~ n*", LL="l", SS="s z", DD_SS="c dz", CH="s~ z~", DD_CH="c~ dz~",
    kk="k g h ch", RR="r", CH_RR="r~ r~*", ii="i i: j", E="e e:", aa="a a:", oh="o o:", ou="u u:")
_HINDI = _table(
    PP="p b m bh ph", FF="f v", DD="T D N th dh n tth ddh td", LL="l L", SS="s", CH="sh zh", DD_CH="ch j jh",
    kk="k g h kh gh x @", kk_CH="ksh", CH_RR_ii="sri", RR="r R", WW="w", ii="iy y", ih="ih", E="eh ee", ax="a",
    aa="aa", uh="uh", ou="uw", oo="oh oo", aa_ih="ay", aa_uh="aw")
_RUSSIAN = _table(
    PP="p pp b bb m mm", FF="f ff v vv", DD="t tt d dd n nn", LL="l ll", SS="s ss z zz", DD_SS="c", CH="sh sch zh",
    DD_CH="ch", kk="k kk g gg h hh", RR="r rr", ii="ii i j", ih="y yy", E="ee e", ae="ae", aa="aa", ah="a",
    oh="oo", ou="uu u", ax="ay ur")
_CATALAN = _table(
    PP="p b m", FF="f v", DD="t d n J", LL="l L", SS="s z", CH="S Z", kk="k g", RR="r rr", WW="w", ii="i i1 j",
    E="e e1 E E1", aa="a a1", ax="ax", oh="O O1", oo="o o1", ou="u u1")
TABLES = {"en": _US, "it": _ITALIAN, "fi": _FINNISH, "cs": _CZECH, "hi": _HINDI, "mr": _HINDI, "te": _HINDI,
          "ru": _RUSSIAN, "ca": _CATALAN}


def visemes_of(phone, language, ipa=False):
    """The visemes of one phone, in time order."""
    if phone in PAUSES:
        return ("sil",)
    if ipa and phone.startswith("("):  # "(en)": espeak-ng changes language inside a word
        return ()
    if ipa:
        unknown = [letter for letter in phone if letter not in IPA and letter not in MARKS]
        if unknown:
            raise ValueError(f"espeak-ng phone {phone!r} of {language}: no viseme for {unknown}")
        return tuple(IPA[letter] for letter in phone if letter in IPA)  # empty: a mark, it extends its neighbour
    try:
        return TABLES[language][phone]
    except KeyError:
        raise ValueError(f"phone {phone!r} of {language} has no viseme") from None
