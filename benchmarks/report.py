"""Write docs/performance.md from the benchmarks' results: every target, reached or missed.

    python benchmarks/report.py [--results FOLDER] [--page PATH] [--readme PATH] [--no-plots] [--check]

It reads all `*.json` of the folder, in the form that the package's docstring describes; peers' rows in
them stand beside ours. What bounds a figure is told in `bounds.json`, by measure (for one that is
compared with an empty queue: with ", 1,000,000 pending"; for one that grows: with " by payload" and the
like). The README's small table is made of the same rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # run as a script: this folder's queue.py would hide the standard library's
    sys.path.remove(str(Path(__file__).resolve().parent))
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import argparse
import json
from collections.abc import Iterable, Iterator

from benchmarks.measuring import ROOT, Row, number
from benchmarks.results import OURS, Judged, Results, faster_peers, times_as_good

HERE = Path(__file__).resolve().parent
README = ROOT / "README.md"
MARKS = ("<!-- figures: written by make bench-page -->", "<!-- end of figures -->")
FLAT = 1.5  # times the lowest: what varies by less from run to run
README_MEASURES = ("drain, 2 processes", "enqueue, 1 producer", "batch of 10,000", "enqueue to start, p50")


# --- the page


def page(results: Results, plots: Iterable[str] = ()) -> str:
    """Return the page's text; `plots` are paths of pictures, as the page refers to them."""
    wanted = json.loads((HERE / "targets.json").read_text())
    bounds: dict[str, str] = json.loads((HERE / "bounds.json").read_text())
    judged = [Judged(target, results) for target in wanted["targets"]]
    lines = ["# Performance", "", *_opening(results)]
    lines += ["", "## What is slower than a peer", "", *_slower(results, list(wanted["tables"]))]
    lines += ["", "## Targets", "", *_counted(judged)]
    for table, title in wanted["tables"].items():
        mine = [one for one in judged if one.target["table"] == table]
        lines += ["", f"## {title}", "", *_table(mine, bounds), *_beside(results, table)]
        lines += _others(results, table, {one.measure for one in mine} | set(results.compared(table)))
    lines += _growth(results, list(plots), bounds)
    lines += ["", "## How to do it again", "", *_again()]
    lines += ["", "## Where it was measured", "", *_machines(results)]
    return "\n".join(lines) + "\n"


def _opening(results: Results) -> Iterator[str]:
    yield "Written by `benchmarks/report.py` from the results in `benchmarks/results/`; do not edit by hand."
    yield "Figures are medians of several runs after a warm-up, on the machine named at the end."
    yield "Where the time goes is told in [decisions](decisions/index.md)."
    if results.quick:
        yield ""
        yield "**Provisional: figures of a quick run on a busy machine.** Less of everything was measured,"
        yield "while other programs used the same cores and disk: they show that it runs, and little more."


def _slower(results: Results, tables: list[str]) -> Iterator[str]:
    if not results.compared("queue"):
        yield "No other queue has been measured yet."
        return
    found = False
    for table in tables:
        for measure in results.compared(table):
            ours, faster = faster_peers(results, table, measure)
            if ours and faster:
                found = True
                yield f"* {measure} ({_figure(ours)}): {'; '.join(_better(peer, ours) for peer in faster)}"
    if not found:
        yield "Nothing of what was measured."


def _better(peer: Row, ours: Row) -> str:
    kind = ", which waits for no disk," if ours["durable"] and not peer["durable"] else ""
    what = "as little" if peer["unit"] in ("MB", "%") else "as fast"
    ratio = f": {number(times_as_good(peer, ours))} times {what}" if peer["value"] else ""
    return f"{peer['system']}{kind} {_figure(peer)}{ratio}"


def _counted(judged: list[Judged]) -> Iterator[str]:
    names = {
        verdict: list(dict.fromkeys(_named(one) for one in judged if one.verdict == verdict))
        for verdict in ("reached", "missed", "not measured")
    }
    yield f"Of {len(judged)} targets {len(names['reached'])} are reached and {len(names['missed'])} missed."
    for verdict, text in (("missed", "Missed"), ("not measured", "Not measured")):
        if names[verdict]:
            yield ""
            yield f"{text}: {'; '.join(names[verdict])}."


def _named(one: Judged) -> str:
    return one.measure + (f", {one.pending:,} pending" if one.pending else "")


def _table(judged: list[Judged], bounds: dict[str, str]) -> Iterator[str]:
    yield "| measure | figure | lowest – highest | target | | then | what bounds it |"
    yield "|---|---|---|---|---|---|---|"
    for one in judged:
        name = _named(one)
        unit = one.target["unit"]
        figure = "–" if one.value is None else f"**{number(one.value)}** {unit}"
        span = f"{number(one.row['low'])} – {number(one.row['high'])}" if one.row else "–"
        bound = bounds.get(name if one.pending and unit.endswith("than empty") else one.measure, "")
        if one.verdict == "missed":
            bound = bound or "not looked into yet"
        then = one.target["then"] if isinstance(one.target["then"], str) else number(one.target["then"])
        yield f"| {name} | {figure} | {span} | {number(one.now)} | {one.verdict} | {then} | {bound} |"


def _beside(results: Results, table: str) -> Iterator[str]:
    """All systems in one run: a table of them, or one for each format where there are formats."""
    measures = results.compared(table)
    if measures:
        yield from ("", "### Beside others, in the same run", "")
        yield "In brackets: how many times as fast, or as small, queuack is. *In italics*: what answers"
        yield "before the disk has it, where queuack does not."
    groups: dict[str, list[str]] = {}
    for measure in measures:
        kind = measure.replace(",", "").split()[1] if table == "stream" else ""
        groups.setdefault(kind, []).append(measure)
    for group in groups.values():
        yield ""
        yield from _systems(results, table, group)
    for one in results.failures:
        if one["table"] == table:
            why = " ".join(one["why"].split())[:300].replace("|", "/")
            yield ""
            yield f"No figure for {one['system']}, {one['what']}: {why}"


def _systems(results: Results, table: str, measures: list[str]) -> Iterator[str]:
    found = {measure: {row["system"]: row for row in results.beside(table, measure)} for measure in measures}
    rows = {system: row for by_system in found.values() for system, row in by_system.items()}
    told = table != "stream"  # of streams nobody waits for the disk
    heads = [f"{measure}, {next(iter(found[measure].values()))['unit']}" for measure in measures]
    yield f"| | {' | '.join(heads)} |{' what an accepted one survives | how |' if told else ''}"
    yield "|---|" + "---|" * (len(heads) + 2 * told)
    for system, row in rows.items():
        cells = [_cell(found[measure].get(system), found[measure].get(OURS)) for measure in measures]
        settings = row["settings"]
        nodes = f", {settings['nodes']:,} nodes" if "nodes" in settings else ""
        facts = f" {settings.get('survives', '–')} | {settings.get('how', '–')}{nodes} |" if told else ""
        name = f"**{system}**" if system == OURS else system
        yield f"| {name} | {' | '.join(cells)} |{facts}"


def _cell(row: Row | None, ours: Row | None) -> str:
    if row is None:
        return "–"
    text = number(row["value"])
    if ours is None or row["system"] == OURS:
        return f"**{text}**"
    text = f"*{text}*" if ours["durable"] and not row["durable"] else text
    times = times_as_good(ours, row)
    return f"{text} ({number(times)}×)" if 0 < times < 1_000_000 else text


def _others(results: Results, table: str, told: set[str]) -> Iterator[str]:
    """Our rows that have no target."""
    rows = [
        row for row in results.rows
        if row["table"] == table and row["system"] == OURS and row["measure"] not in told
        and row is results.ours(table, row["measure"], row["settings"].get("pending", 0))
    ]  # fmt: skip
    if not rows:
        return
    yield ""
    yield "### More figures, without a target"
    yield ""
    yield "| measure | figure | lowest – highest | settings |"
    yield "|---|---|---|---|"
    for row in rows:
        span = f"{number(row['low'])} – {number(row['high'])}"
        yield f"| {row['measure']} | {_figure(row)} | {span} | {_settings(row)} |"


def _growth(results: Results, plots: list[str], bounds: dict[str, str]) -> Iterator[str]:
    rows = [row for row in results.rows if row["table"] == "growth"]
    if not rows:
        return
    yield from ("", "## How cost grows", "")
    for plot in plots:
        yield f"![{Path(plot).stem.replace('-', ' ')}]({plot})"
    kinds = dict.fromkeys(next(iter(row["settings"])) for row in rows)
    for kind in kinds:
        mine = [row for row in rows if next(iter(row["settings"])) == kind]
        columns = list(dict.fromkeys(row["settings"][kind] for row in mine))
        if len(columns) > 6:
            columns = columns[:: len(columns) // 4] + columns[-1:]
        columns = list(dict.fromkeys(columns))
        yield ""
        grows = len(columns) > 1
        why = " why it is not flat |" if grows else ""
        yield f"| by {kind} | unit | {' | '.join(f'{column:,}' for column in columns)} |{why}"
        yield "|---|---|" + "---|" * (len(columns) + grows)
        for measure in dict.fromkeys(row["measure"] for row in mine):
            values = {row["settings"][kind]: row for row in mine if row["measure"] == measure}
            cells = [number(values[column]["value"]) if column in values else "–" for column in columns]
            told = f" {_why(f'{measure} by {kind}', values.values(), bounds)} |" if grows else ""
            yield f"| {measure} | {next(iter(values.values()))['unit']} | {' | '.join(cells)} |{told}"


def _why(name: str, rows: Iterable[Row], bounds: dict[str, str]) -> str:
    figures = [row["value"] for row in rows]
    if max(figures) <= FLAT * min(figures):
        return "flat" if len(figures) > 1 else ""
    return bounds.get(name, "not looked into yet")


def _again() -> Iterator[str]:
    yield "On Linux with Python 3.11 or newer and make, from a clone:"
    yield ""
    yield "```console"
    yield "$ make bench-full    # queuack alone; 25 to 40 minutes"
    yield "$ make bench-peers   # beside others; about half an hour, ARGS=--all for every one of them"
    yield "```"
    yield ""
    yield "Both write `benchmarks/results/` as they go and this page at the end; `make bench` is a quick"
    yield "look, `make bench-peers ARGS=--quick` one at the peers: these leave the page as it is. Each peer"
    yield "gets an environment of its own; Redis and PostgreSQL come from Debian's packages (as root or by"
    yield "sudo) and listen on loopback only."


def _machines(results: Results) -> Iterator[str]:
    for name, facts in results.machines.items():
        plain = {key: value for key, value in facts.items() if key != "versions"}
        versions = ", ".join(f"{library} {version}" for library, version in facts["versions"].items())
        yield f"* **{name}**: {' · '.join(f'{key} {value}' for key, value in plain.items())} · {versions}"
    yield ""
    yield "Every row's settings are in its JSON. What the peers' versions are stands in"
    yield "`benchmarks/peers/catalogue.py`."


# --- the README's block


def readme(text: str, results: Results) -> str:
    """Return the README with the table between its marks made anew."""
    before, _, rest = text.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return "\n".join([before + MARKS[0], *_readme_table(results), MARKS[1] + after])


def _readme_table(results: Results) -> Iterator[str]:
    measures = [measure for measure in README_MEASURES if measure in results.compared("queue")]
    if not measures:
        return
    if results.quick:
        yield "Provisional, from a quick run on a busy machine:"
        yield ""
    found = {
        measure: {row["system"]: row for row in results.beside("queue", measure)} for measure in measures
    }
    systems = [
        OURS,
        *(name for name in dict.fromkeys(s for by in found.values() for s in by) if name != OURS),
    ]
    heads = [f"{measure}, {found[measure][OURS]['unit']}" for measure in measures]
    yield f"| | {' | '.join(heads)} |"
    yield "|---|" + "---|" * len(heads)
    for system in systems:
        cells = [_cell(found[measure].get(system), found[measure].get(OURS)) for measure in measures]
        yield f"| {f'**{system}**' if system == OURS else system} | {' | '.join(cells)} |"


def _figure(row: Row) -> str:
    return f"{number(row['value'])} {row['unit']}"


def _settings(row: Row) -> str:
    return " · ".join(f"{key} {value}" for key, value in row["settings"].items())


def main() -> None:
    """Write the page, its plots beside it, and the README's table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "performance.md")
    parser.add_argument("--readme", type=Path, help="whose block to fill (the README, with the default page)")
    parser.add_argument("--no-plots", action="store_true", help="keep the pictures as they are")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is another")
    asked = parser.parse_args()
    results = Results(asked.results)
    folder = asked.page.parent / "performance"
    if not (asked.no_plots or asked.check):
        from benchmarks import plots

        plots.draw(results.rows, folder)
    text = page(results, [f"performance/{path.name}" for path in sorted(folder.glob("*.svg"))])
    written = {asked.page: text}
    if front := asked.readme or (README if asked.page == parser.get_default("page") else None):
        written[front] = readme(front.read_text(encoding="utf-8"), results)
    for path, content in written.items():
        if not asked.check:
            path.write_text(content, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != content:
            sys.exit(f"{path} is not what the results say: run `make bench-page`")
    if not asked.check:
        print(f"wrote {', '.join(map(str, written))}")


if __name__ == "__main__":
    main()
