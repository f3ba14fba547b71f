"""Mermaid diagrams of workflows from plain data, with six themes and no dependency."""
