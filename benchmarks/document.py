"""The sections of docs/benchmarks.md that benchmarks write, each between two marks with the name of its benchmark."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def replace(text: str, name: str, body: str) -> str:
    """The text with another body in one section. Raises ValueError if it does not have this section one time."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise ValueError(f"no section between '{begin.strip()}' and '{end.strip()}'")
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}{body}\n{end}{tail}"


def write(name: str, body: str, document: Path = DOCUMENT) -> None:
    """Replace one section of the document."""
    document.write_text(replace(document.read_text(encoding="utf-8"), name, body), encoding="utf-8")
