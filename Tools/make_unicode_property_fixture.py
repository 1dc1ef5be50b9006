#!/usr/bin/env python3
"""Writes Tests/Fixtures/unicode-properties.json: for patterns of one class each, how many code points the tokenizers
library finds in all there are, and a hash of them. Usage: Tools/make_unicode_property_fixture.py [FILE]
"""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import make_unicode_properties as table

USED = r"""\p{L} \p{N} \p{P} \p{S} \p{M} \p{Z} \p{C} \p{Lu} \p{Ll} \p{Lt} \p{Lm} \p{Lo} \p{Nd} \p{Han} \p{Hiragana}
\p{Katakana} \p{Hangul} \p{Thai} \w [\w] \s \d [[:alpha:]] [[:punct:]]""".split()
REST = [rf"\p{{{name}}}" for name in table.CATEGORIES + table.SCRIPTS + table.BINARY + list(table.POSIX)]
BRACKETS = [f"[[:{name.lower()}:]]" for name in table.POSIX] + [r"\W", r"[\W]", r"\D", r"\S", r"\P{Lu}", r"[\P{Greek}]"]


def digest(points):
    value = 0xCBF29CE484222325
    for point in sorted(points):
        for shift in (0, 8, 16, 24):
            value = (value ^ (point >> shift & 0xFF)) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{value:x}"


if __name__ == "__main__":
    target = sys.argv[1] if len(sys.argv) > 1 else "Tests/Fixtures/unicode-properties.json"
    rows = []
    for pattern in dict.fromkeys(USED + REST + BRACKETS):
        points = table.reference(pattern + "+")
        rows.append({"pattern": pattern, "count": len(points), "hash": digest(points)})
    lines = ",\n".join(json.dumps(row) for row in rows)
    pathlib.Path(target).write_text(f"[\n{lines}\n]\n")
