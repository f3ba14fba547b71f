"""Mermaid diagrams of workflows from plain data, with six themes and no dependency."""

from queuack_viz.errors import DiagramError
from queuack_viz.fitting import Limits
from queuack_viz.flow import draw_flowchart
from queuack_viz.graph import Diagram, Edge, Group, Node
from queuack_viz.output import Drawing
from queuack_viz.schemes import MermaidColorScheme, Paint
from queuack_viz.timeline import draw_gantt

__all__ = [
    "Diagram",
    "DiagramError",
    "Drawing",
    "Edge",
    "Group",
    "Limits",
    "MermaidColorScheme",
    "Node",
    "Paint",
    "draw_flowchart",
    "draw_gantt",
]
