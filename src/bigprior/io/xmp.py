"""XMP packets: what is said of a picture in machine-readable marks, added to whatever is said already."""

from __future__ import annotations

import re

#: Where IPTC says what a picture's source is, and what the values are.
SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
_END = re.compile(r"</([\w.-]+):RDF\s*>")
#: The property in each of its two forms, under whatever prefix.
_ATTRIBUTE = re.compile(r"""\s[\w.-]+:DigitalSourceType\s*=\s*("[^"]*"|'[^']*')""")
_ELEMENT = re.compile(r"<([\w.-]+:DigitalSourceType)\b[^>]*?(/>|>.*?</\1\s*>)", re.DOTALL)


def with_source_type(packet: bytes | None, kind: str) -> bytes:
    """A packet that says how a picture came to be, in place of what it said of that.

    Args:
        packet: as it came; None, or one that is no XMP in UTF-8, is replaced by a new one.
        kind: the last part of a name in IPTC's vocabulary, such as ``algorithmicallyEnhanced``.
    """
    text = _EMPTY
    if packet is not None:
        try:
            text = packet.decode("utf-8")
        except UnicodeDecodeError:
            text = _EMPTY
    if not _END.search(text):
        text = _EMPTY
    text = _ELEMENT.sub("", _ATTRIBUTE.sub("", text))
    end = list(_END.finditer(text))[-1]
    prefix = end[1]
    said = (
        f'<{prefix}:Description {prefix}:about="" xmlns:Iptc4xmpExt="{_IPTC}" '
        f'Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPES}{kind}"/>'
    )
    return (text[: end.start()] + said + text[end.start() :]).encode()
