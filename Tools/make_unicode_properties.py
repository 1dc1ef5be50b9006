#!/usr/bin/env python3
"""Writes Sources/Tokenization/Patterns/UnicodePropertyTable.swift: what the properties of patterns hold.

Asks the tokenizers library (Oniguruma) over all code points, and PCRE2 for what it calls the same, so that the table
holds only the difference. Needs tokenizers and libpcre2-8. Usage: Tools/make_unicode_properties.py [FILE]
"""
import bisect
import ctypes
import pathlib
import sys

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
TEXT = "".join(map(chr, POINTS))
BYTES = TEXT.encode()
STARTS, n = [], 0
for c in POINTS:
    STARTS.append(n)
    n += 1 if c < 0x80 else 2 if c < 0x800 else 3 if c < 0x10000 else 4
STARTS.append(n)

CATEGORIES = """L Lu Ll Lt Lm Lo LC M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co
Cs""".split()
LONG = dict(zip("""Letter Uppercase_Letter Lowercase_Letter Titlecase_Letter Modifier_Letter Other_Letter Cased_Letter Mark
Combining_Mark Nonspacing_Mark Spacing_Mark Enclosing_Mark Number Decimal_Number Letter_Number Other_Number Punctuation
Connector_Punctuation Dash_Punctuation Open_Punctuation Close_Punctuation Initial_Punctuation Final_Punctuation
Other_Punctuation Symbol Math_Symbol Currency_Symbol Modifier_Symbol Other_Symbol Separator Space_Separator Line_Separator
Paragraph_Separator Other Control Format Unassigned Private_Use Surrogate""".split(),
    """L Lu Ll Lt Lm Lo LC M M Mn Mc Me N Nd Nl No P Pc Pd Ps Pe Pi Pf Po S Sm Sc Sk So Z Zs Zl Zp C Cc Cf Cn Co
Cs""".split()))
SCRIPTS = """Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo
Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common
Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs
Elbasan Elymaic Ethiopic Garay Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Gurung_Khema
Han Hangul Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi
Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki
Khudawadi Kirat_Rai Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic
Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao
Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong
Ogham Ol_Chiki Ol_Onal Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian
Old_Turkic Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi
Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese
Sunuwar Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai
Tibetan Tifinagh Tirhuta Todhri Toto Tulu_Tigalari Ugaritic Unknown Vai Vithkuqi Wancho Warang_Citi Yezidi Yi
Zanabazar_Square""".split()
BINARY = """ASCII ASCII_Hex_Digit Alphabetic Any Assigned Bidi_Control Case_Ignorable Cased Changes_When_Casefolded
Changes_When_Casemapped Changes_When_Lowercased Changes_When_Titlecased Changes_When_Uppercased Dash
Default_Ignorable_Code_Point Deprecated Diacritic Emoji Emoji_Component Emoji_Modifier Emoji_Modifier_Base
Emoji_Presentation Extended_Pictographic Extender Grapheme_Base Grapheme_Extend Hex_Digit Hyphen ID_Continue ID_Start
IDS_Binary_Operator Ideographic Join_Control Logical_Order_Exception Lowercase Math Noncharacter_Code_Point
Pattern_Syntax Pattern_White_Space Quotation_Mark Radical Regional_Indicator Sentence_Terminal Soft_Dotted
Terminal_Punctuation Unified_Ideograph Uppercase Variation_Selector White_Space XID_Continue XID_Start""".split()
POSIX = {
    "Alnum": r"\p{Alphabetic}\p{Nd}", "Alpha": r"\p{Alphabetic}", "Blank": r"\p{Zs}\t", "Cntrl": r"\p{Cc}",
    "Digit": r"\p{Nd}", "Graph": r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Cf}\p{Co}", "Lower": r"\p{Lowercase}",
    "Print": r"\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}\p{Cf}\p{Co}", "Punct": r"\p{P}", "Space": "", "Upper": r"\p{Uppercase}",
    "Word": r"\p{L}\p{M}\p{Nl}\p{Nd}\p{Pc}", "XDigit": "",
}
BASES = {"L": r"\p{L}", "LC": r"\p{L&}", "Assigned": ""}


def reference(pattern):
    """The code points that the reference library's pattern matches."""
    split = Split(Regex(pattern), "removed", invert=True)
    points = set()
    for _, (start, end) in split.pre_tokenize_str(TEXT):
        points.update(POINTS[start:end])
    return points


LIBRARY = ctypes.CDLL("libpcre2-8.so.0")
LIBRARY.pcre2_compile_8.restype = ctypes.c_void_p
LIBRARY.pcre2_match_data_create_8.restype = ctypes.c_void_p
LIBRARY.pcre2_get_ovector_pointer_8.restype = ctypes.POINTER(ctypes.c_size_t)


def pcre(pattern):
    """The code points that PCRE2's pattern matches (UTF, UCP), or None where it does not compile."""
    text, error, offset = pattern.encode(), ctypes.c_int(), ctypes.c_size_t()
    code = LIBRARY.pcre2_compile_8(
        text, ctypes.c_size_t(len(text)), 0x00080000 | 0x00020000, ctypes.byref(error), ctypes.byref(offset), None)
    if not code:
        return None
    data = ctypes.c_void_p(LIBRARY.pcre2_match_data_create_8(ctypes.c_uint32(4), None))
    vector = LIBRARY.pcre2_get_ovector_pointer_8(data)
    points, position = set(), 0
    while position < len(BYTES):
        found = LIBRARY.pcre2_match_8(
            ctypes.c_void_p(code), BYTES, ctypes.c_size_t(len(BYTES)), ctypes.c_size_t(position),
            ctypes.c_uint32(0x40000000), data, None)
        if found < 0:
            break
        points.update(POINTS[bisect.bisect_left(STARTS, vector[0]):bisect.bisect_left(STARTS, vector[1])])
        position = vector[1]
    return points


def ranges(points):
    runs = []
    for point in sorted(points):
        if runs and runs[-1][1] + 1 == point:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return " ".join(f"{a:X}-{b:X}" if a != b else f"{a:X}" for a, b in runs)


def key(name):
    return name.lower().replace("_", "").replace(" ", "").replace("-", "")


def rows():
    def row(name, pattern, base):
        wanted = reference(pattern)
        known = pcre(f"[{base}]+") if base else None
        if known is None:
            base, known = "", set()
        return "|".join([name, base, ranges(wanted - known), ranges(known - wanted)])

    for name in CATEGORIES:
        yield row(key(name), rf"\p{{{name}}}+", BASES.get(name, rf"\p{{{name}}}"))
    for name in SCRIPTS:
        yield row(key(name), rf"\p{{{name}}}+", rf"\p{{sc:{name}}}")
    for name in BINARY:
        yield row(key(name), rf"\p{{{name}}}+", BASES.get(name, rf"\p{{{name}}}"))
    for name, base in POSIX.items():
        yield row(key(name), rf"\p{{{name}}}+", base)
    yield row("[punct", "[[:punct:]]+", POSIX["Punct"])
    yield row("[word", "[[:word:]]+", POSIX["Word"])
    yield row("\\w", r"\w+", POSIX["Word"])
    yield row("\\w]", r"[\w]+", POSIX["Word"])


def write(path, lines):
    aliases = [f"{key(long)}={key(short)}" for long, short in LONG.items()]
    body = "\n".join(f"        {line}" for line in lines)
    path.write_text(f'''// Made by Tools/make_unicode_properties.py from tokenizers (Oniguruma, Unicode 16) and PCRE2 10.42 (Unicode 14).
// swift-format-ignore-file

enum UnicodePropertyTable {{
    /// A line a property: its name, what PCRE2 calls the same, the code points missing in that, and those too many.
    static let text = #"""
{body}
        """#

    /// Other names of general categories.
    static let aliases = "{" ".join(aliases)}"
}}
''')


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "Sources/Tokenization/Patterns/UnicodePropertyTable.swift"
    write(pathlib.Path(target), list(rows()))
