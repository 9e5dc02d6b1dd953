"""Which elements are SVG's: namespaces as an XML reader would resolve them, at a cost that nesting cannot drive up."""

from __future__ import annotations

from collections.abc import Mapping

SVG = "http://www.w3.org/2000/svg"
_NOBODY = "nobody's"


class Namespaces:
    """Is told of every element as it begins and ends; then says whose a name is."""

    def __init__(self) -> None:
        self._bound: dict[str, list[str]] = {
            "xmlns": [""]
        }  # what declares a prefix -> its namespaces, the innermost last
        self._declared: list[tuple[str, ...]] = []  # what each open element declares

    def start(self, attributes: Mapping[str, str]) -> None:
        declared = tuple(key for key in attributes if key == "xmlns" or key.startswith("xmlns:"))
        for key in declared:
            self._bound.setdefault(key, []).append(attributes[key])
        self._declared.append(declared)

    def end(self) -> None:
        for key in self._declared.pop():
            self._bound[key].pop()

    def drawn(self, name: str) -> bool:
        """Tell whether an element of this name is SVG's, or of no namespace. A prefix that nobody declared is another's."""
        prefix, colon, _ = name.partition(":")
        bound = self._bound.get(f"xmlns:{prefix}" if colon else "xmlns") or [_NOBODY]
        return bound[-1] == SVG or (not colon and not bound[-1])
