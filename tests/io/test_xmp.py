"""What a picture's XMP says of its source."""

import xml.etree.ElementTree as ET

import pytest

from bigprior.io.xmp import SOURCE_TYPES, with_source_type

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
HEAD = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
IPTC = 'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
PACKETS = {
    "none": None,
    "no XMP": b"\xff\xfe nothing",
    "other things": f'{HEAD}<r:Description r:about="" {IPTC} dc:title="a"/></r:RDF></x:xmpmeta>'.encode(),
    "an attribute": (
        f'{HEAD}<r:Description r:about="" {IPTC} dc:title="a" i:DigitalSourceType="x"/></r:RDF></x:xmpmeta>'
    ).encode(),
    "an element": (
        f'{HEAD}<r:Description r:about="" {IPTC} dc:title="a"><i:DigitalSourceType>x</i:DigitalSourceType>'
        "</r:Description></r:RDF></x:xmpmeta>"
    ).encode(),
}


@pytest.mark.parametrize("what", PACKETS)
def test_it_says_the_source_once_and_keeps_the_rest(what):
    packet = with_source_type(PACKETS[what], "algorithmicallyEnhanced")
    text = packet.decode()
    root = ET.fromstring(text[text.index("<x:xmpmeta") : text.index("</x:xmpmeta>") + 12])
    said = [d.get(TYPE) for d in root.iter(f"{RDF}Description") if d.get(TYPE)] + [d.text for d in root.iter(TYPE)]
    assert said == [f"{SOURCE_TYPES}algorithmicallyEnhanced"]
    assert what in ("none", "no XMP") or 'dc:title="a"' in text
    assert with_source_type(packet, "algorithmicallyEnhanced").decode().count("DigitalSourceType=") == 1
