"""The display of ``assist top``: sections of lines that share the screen (docs/cli.md section 4)."""

from __future__ import annotations

from collections.abc import Sequence

from assist_cli.cli.formatting import bar, pad, width
from assist_cli.cli.output import Cell, Style
from assist_cli.cli.screen import Line
from assist_cli.model.folding import fold
from assist_cli.model.ids import SHORT_LENGTH
from assist_cli.model.instance import Health, Instance
from assist_cli.model.overview import Running, grouped
from assist_cli.model.status import QUEUED, WAITING
from assist_cli.operations.observe.overview import RESTING, Overview
from assist_cli.units import ago, count, due, escape, one_line, span

WIDE_COLUMNS = 140
GAP = "  "
NAME_TITLE = "INSTANCE"
NAME_COLUMNS = 24
LOAD_COLUMNS = 8
WHEN_COLUMNS = 10
ALIGNED_COLUMNS = 40
BAR_COLUMNS = 10
NAMES_COLUMNS = 18  # of the instances of a failure
LEAST_LINES = 2  # of a section: its title and a row
SECTION_LINES = 6  # of each section except the instances, when all sections are below each other


def frame(overview: Overview, columns: int, lines: int) -> list[Line]:
    """Return the lines of a screen: the sections beside the instances if it is wide, else below them."""
    head = [_clipped(_head(overview), columns), []]
    room = max(lines - len(head), 0)
    if columns < WIDE_COLUMNS:
        others = _sections(overview, SECTION_LINES)
        needed = [len(_instances(overview, columns, len(overview.instances) + room)), *map(len, others)]
        first, *rest = _shares(needed, room - len(others))
        shown = [section[:share] for section, share in zip(others, rest, strict=True)]
        above = _instances(overview, columns, first)
        return [*head, *(_clipped(line, columns) for line in _below([above, *shown]))][:lines]
    left_columns = columns * 2 // 5
    left = _instances(overview, left_columns, room)
    right = _below(_sections(overview, max(room // 3 - 1, 2)))
    height = min(max(len(left), len(right)), room)
    left, right = ([*side, *[[]] * (height - len(side))][:height] for side in (left, right))
    right_columns = columns - left_columns - len(GAP)
    body = [
        [*_filled(_clipped(one, left_columns), left_columns), Cell(GAP), *_clipped(other, right_columns)]
        for one, other in zip(left, right, strict=True)
    ]
    return [*head, *body][:lines]


def _shares(needed: Sequence[int], room: int) -> list[int]:
    """Share lines among sections: each gets what it needs, at most an equal part of what the smaller ones leave."""
    shares = [0] * len(needed)
    for left, place in enumerate(sorted(range(len(needed)), key=lambda place: (needed[place], place == 0))):
        shares[place] = max(min(needed[place], (room - sum(shares)) // (len(needed) - left)), LEAST_LINES)
    return shares


def _head(overview: Overview) -> Line:
    heard = [overview.health[each.id] for each in overview.instances if each.id in overview.health]
    up = sum(health.is_online for health in heard)
    down = sum(not health.is_online and health is not RESTING for health in heard)
    running = sum(health.running for health in heard)
    cells = [
        Cell("assist top", Style.STRONG),
        Cell(overview.now.astimezone().strftime("  %H:%M:%S  ")),
        Cell(f"{up} of {len(overview.instances)} online", Style.GOOD if up else Style.QUIET),
        Cell(f", {down} offline", Style.BAD if down else Style.QUIET),
    ]
    waiting = len(overview.instances) - len(heard)
    if waiting:
        cells.append(Cell(f", {waiting} not checked yet", Style.QUIET))
    return [*cells, Cell(f"; {count(running, 'record')}")]


def _instances(overview: Overview, columns: int, room: int) -> list[Line]:
    if not overview.instances:
        return [_title("INSTANCES"), [Cell("no instances: assist instance install root@HOST", Style.QUIET)]]
    down: dict[str, list[Instance]] = {}
    others: list[Instance] = []
    for each in overview.instances:
        health = overview.health.get(each.id)
        if health is None or health is RESTING or health.is_online:
            others.append(each)
        else:
            down.setdefault(health.error_code, []).append(each)
    names = min(
        max(width(text) for text in (NAME_TITLE, *(escape(each.name) for each in overview.instances))), NAME_COLUMNS
    )
    others.sort(key=lambda each: _urgency(overview.health.get(each.id)))
    rows: list[Line] = [
        _title(f"{pad(NAME_TITLE, names)}{GAP}{pad('STATE', 8)}{GAP}{pad('RECORDS', LOAD_COLUMNS + 6)}{GAP}UP FOR")
    ]
    for several in down.values():
        rows += [_down(several, overview)]
    shown = others if len(others) + len(rows) <= room else others[: max(room - len(rows) - 1, 1)]
    rows += [[*_instance(each, overview.health.get(each.id), names), *_link(each, overview)] for each in shown]
    if len(shown) < len(others):
        rows.append([Cell(f"… and {len(others) - len(shown)} more", Style.QUIET)])
    return rows


def _down(several: Sequence[Instance], overview: Overview) -> Line:
    """Return the line of unreachable instances with the same error; of a single one with its message."""
    first = overview.health[several[0].id]
    number = f" ({len(several)})" if len(several) > 1 else ""
    why = GAP + one_line(first.error) if len(several) == 1 else ""
    return [
        Cell(f"{fold(each.name for each in several)}{number}{GAP}"),
        Cell(first.error_code, Style.BAD),
        Cell(why, Style.QUIET),
    ]


def _urgency(health: Health | None) -> tuple[int, int]:
    """Return the sort key of an instance: the busiest first."""
    if health is None:
        return 1, 0
    return (2, 0) if health is RESTING else (0, -health.running)


def _instance(instance: Instance, health: Health | None, names: int) -> Line:
    name = Cell(fitted(instance.name, names) + GAP)
    if health is None:
        return [name, Cell("…", Style.QUIET)]
    if health is RESTING:
        return [name, Cell("resting", Style.QUIET)]
    return [
        name,
        Cell(pad("online", 8) + GAP, Style.GOOD),
        Cell(pad(str(health.running), 5, right=True) + " ", Style.STRONG if health.running else Style.QUIET),
        Cell(pad("▪" * min(health.running, LOAD_COLUMNS), LOAD_COLUMNS) + GAP, Style.BUSY),
        Cell(span(health.uptime), Style.QUIET),
    ]


def _link(instance: Instance, overview: Overview) -> Line:
    """Return since when an agent that dials out is connected."""
    return [
        Cell(f"{GAP}connected {ago(each.since, overview.now)}", Style.QUIET)
        for each in overview.presence.shown(instance.id)
    ]


def _sections(overview: Overview, room: int) -> list[list[Line]]:
    next_title = "NEXT" if overview.is_served else "NEXT, the server is not running: assist serve"
    sections = [
        _section("RUNNING", _aligned([_running(each, overview) for each in overview.running]), room, "nothing runs")
    ]
    if overview.firings:
        sections.append(_section(next_title, _firings(overview), room, ""))
    sections.append(_section("FAILED", _failed(overview), room, "nothing"))
    return sections


def _section(title: str, rows: Sequence[Line], room: int, nothing: str) -> list[Line]:
    if not rows:
        return [_title(title), [Cell(nothing, Style.QUIET)]]
    return [_title(title), *rows[: max(room - 1, 1)]]


def _running(each: Running, overview: Overview) -> Line:
    done = each.total - each.open
    numbers = ((each.bad, "failed"), (each.waiting, WAITING), (each.queued, QUEUED))
    words = [f"{number} {word}" for number, word in numbers if number]
    return [
        Cell(each.invocation_id[:SHORT_LENGTH], Style.STRONG),
        Cell(
            f"{bar(done, each.total, BAR_COLUMNS)} {', '.join([f'{done}/{each.total}', *words])}",
            Style.BAD if each.bad else Style.BUSY,
        ),
        Cell(ago(each.created, overview.now), Style.QUIET),
        Cell(one_line(each.what)),
    ]


def _firings(overview: Overview) -> list[Line]:
    return _aligned(
        [
            [
                Cell(due(each.due, overview.now), Style.BUSY if each.due > overview.now else Style.ODD),
                Cell(each.invocation_id[:SHORT_LENGTH], Style.STRONG),
                Cell(escape(each.frequency), Style.QUIET),
                Cell(one_line(each.what)),
            ]
            for each in overview.firings
        ]
    )


def _failed(overview: Overview) -> list[Line]:
    """Return the lines of failures, grouped by invocation and error."""
    return _aligned(
        [
            [
                Cell(pad(ago(several[0].when, overview.now), WHEN_COLUMNS), Style.QUIET),
                Cell(several[0].invocation_id[:SHORT_LENGTH], Style.STRONG),
                Cell(several[0].error, Style.BAD),
                Cell(_shortened(fold(each.instance_name for each in several), NAMES_COLUMNS)),
                Cell(one_line(several[0].what), Style.QUIET),
            ]
            for several in grouped(overview.failures)
        ]
    )


def _aligned(rows: Sequence[Line]) -> list[Line]:
    """Align rows in columns, each as wide as its widest cell; a cell beyond ALIGNED_COLUMNS moves only its own row."""
    columns = zip(*([width(cell.text) for cell in row] for row in rows), strict=True)
    widths = [min(max(column), ALIGNED_COLUMNS) for column in columns]
    return [
        [*(Cell(pad(cell.text, size) + GAP, cell.style) for cell, size in zip(row[:-1], widths, strict=False)), row[-1]]
        for row in rows
    ]


def _title(text: str) -> Line:
    return [Cell(text, Style.QUIET)]


def _below(sections: Sequence[Sequence[Line]]) -> list[Line]:
    """Return sections below each other, with an empty line between them."""
    found: list[Line] = []
    for section in sections:
        found += [[], *section] if found else section
    return found


def fitted(text: str, columns: int) -> str:
    """Cut or pad a text to ``columns``."""
    return pad(_shortened(text, columns), columns)


def _shortened(text: str, columns: int) -> str:
    """Cut a text to ``columns``."""
    text = escape(text)
    if width(text) > columns:
        while text and width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text


def _clipped(line: Line, columns: int) -> Line:
    """Cut a line to ``columns``."""
    cells, left = [], columns
    for cell in line:
        size = width(cell.text)
        if size > left:
            if left > 0:
                cells.append(Cell(fitted(cell.text, left), cell.style))
            return cells
        cells.append(cell)
        left -= size
    return cells


def _filled(line: Line, columns: int) -> Line:
    return [*line, Cell(" " * (columns - sum(width(cell.text) for cell in line)))]
