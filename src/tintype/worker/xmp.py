"""The rights properties of an XMP packet."""

from __future__ import annotations

from xml.etree import ElementTree as ET

_MAX_BYTES = 1_000_000
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_PREFIXES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "cc": "http://creativecommons.org/ns#",
}
_WHOLE = tuple(f"{{{_PREFIXES[prefix]}}}" for prefix in ("xmpRights", "cc"))
_NAMED = frozenset(f"{{{_PREFIXES['dc']}}}{name}" for name in ("rights", "contributor", "creator", "publisher"))


def rights(packet: bytes) -> bytes:
    """Return a packet with nothing but dc:rights, dc:creator and their like, xmpRights and cc; b"" if there are none."""
    description = ET.Element(f"{_RDF}Description", {f"{_RDF}about": ""})
    for found in _descriptions(packet):
        description.attrib.update({name: value for name, value in found.attrib.items() if _about_rights(name)})
        description.extend(child for child in found if _about_rights(child.tag))
    if len(description.attrib) == 1 and not len(description):
        return b""
    root = ET.Element(f"{{{_PREFIXES['x']}}}xmpmeta")
    ET.SubElement(root, f"{_RDF}RDF").append(description)
    for prefix, uri in _PREFIXES.items():
        ET.register_namespace(prefix, uri)
    return ET.tostring(root)


def _descriptions(packet: bytes) -> list[ET.Element]:
    # XMP is UTF-8 in every format we read; a document type has no place in it and is how entities come in.
    if not packet or len(packet) > _MAX_BYTES or b"<!" in packet or b"\0" in packet.rstrip(b"\0"):
        return []
    try:
        root = ET.fromstring(packet.rstrip(b"\0"))  # noqa: S314 - entities are refused above
    except ET.ParseError:
        return []
    return list(root.iter(f"{_RDF}Description"))


def _about_rights(name: str) -> bool:
    return name in _NAMED or name.startswith(_WHOLE)
