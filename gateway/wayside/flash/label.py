"""The label that a technician sticks onto the box: an SVG of 60 by 30 mm with a QR code."""

from xml.sax.saxutils import escape

import segno
from wayside_wire.pack import key_id

from wayside.trust.owner import fingerprint

_WIDTH_MM, _HEIGHT_MM, _CODE_MM, _EDGE_MM = 60, 30, 26, 2


def label(node: str, board: str, site: str, public: bytes) -> str:
    """The SVG. The code says `wayside:SITE/NODE?key=` and the key id, then the key's fingerprint."""
    text = f"wayside:{site}/{node}?key={key_id(public).hex()}&fingerprint={fingerprint(public)}"
    code = segno.make(text, error="m", micro=False)
    size = code.symbol_size(border=0)[0]
    squares = "".join(
        f"M{column} {row}h1v1h-1z" for row, line in enumerate(code.matrix) for column, dark in enumerate(line) if dark
    )
    left = _CODE_MM + 2 * _EDGE_MM
    lines = [
        (node, 4.2, "bold"),
        (board, 3.0, "normal"),
        (site, 3.0, "normal"),
        (f"key {key_id(public).hex()}", 2.4, "normal"),
    ]
    digits = fingerprint(public)
    lines += [(digits[start : start + 20], 2.2, "normal") for start in range(0, len(digits), 20)]
    texts, at = [], 6.0
    for line, height, weight in lines:
        texts.append(f'<text x="{left}" y="{at}" font-size="{height}" font-weight="{weight}">{escape(line)}</text>')
        at += 1.35 * height
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_MM}mm" height="{_HEIGHT_MM}mm" '
        f'viewBox="0 0 {_WIDTH_MM} {_HEIGHT_MM}" font-family="monospace">'
        f'<rect width="{_WIDTH_MM}" height="{_HEIGHT_MM}" fill="white"/>'
        f'<path transform="translate({_EDGE_MM} {_EDGE_MM}) scale({_CODE_MM / size:.5f})" d="{squares}"/>'
        f"{''.join(texts)}</svg>\n"
    )
