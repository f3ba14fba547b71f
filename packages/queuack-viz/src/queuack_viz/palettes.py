"""The six palettes that come with the package, as data: `fill text border` of each status, then the rest."""

from __future__ import annotations

DEFAULT = {
    "neutral": "#eef2ff #312e81 #818cf8",
    "pending": "#f3f4f6 #374151 #9ca3af",
    "ready": "#dbeafe #1e3a8a #60a5fa",
    "running": "#fef3c7 #78350f #f59e0b",
    "done": "#dcfce7 #14532d #22c55e",
    "failed": "#fee2e2 #7f1d1d #ef4444",
    "skipped": "#f8fafc #475569 #94a3b8 dashed",
    "cancelled": "#ede9fe #4c1d95 #a78bfa dashed",
    "background": "#ffffff",
    # Titles and arrows may end up on a page of any colour: this grey keeps 3:1 on white and on near-black.
    "text": "#6b7280",
    "line": "#6b7280",
    "group": "#f9fafb #374151 #d1d5db",
    "waited": "#e5e7eb",
    "critical": "#d97706",
}

BLUE_PROFESSIONAL = {
    "neutral": "#1f4e8c #ffffff #163a69",
    "pending": "#e8eef7 #1f3a5f #9db4d3",
    "ready": "#c3d8f2 #16355c #5b8ecb",
    "running": "#2f6fbe #ffffff #1d4f8f",
    "done": "#163f70 #ffffff #0e2c50",
    "failed": "#b42318 #ffffff #7a1810",
    "skipped": "#f4f6f9 #52637a #a9b8cb dashed",
    "cancelled": "#d5dbe3 #33435a #7d8ea6 dashed",
    "background": "#ffffff",
    "text": "#16355c",
    "line": "#5f7ea6",
    "group": "#f3f7fc #16355c #c3d4e8",
    "waited": "#dbe5f2",
    "critical": "#e07b00",
}

DARK_MODE = {
    "neutral": "#1c2b4a #c9dcff #5b8def",
    "pending": "#21262d #c9d1d9 #6e7681",
    "ready": "#0c2d6b #b6dcff #388bfd",
    "running": "#4d3800 #f7d774 #d29922",
    "done": "#0f3d22 #8ff0a4 #2ea043",
    "failed": "#5a1517 #ffc1bb #f85149",
    "skipped": "#161b22 #9aa4af #6e7681 dashed",
    "cancelled": "#2f1d52 #d9bfff #8957e5 dashed",
    "background": "#0d1117",
    # As in DEFAULT: no darker, for near-black pages; no lighter, for a title that ends up on a white one.
    "text": "#8b949e",
    "line": "#8b949e",
    "group": "#151b23 #c9d1d9 #3d444d",
    "waited": "#30363d",
    "critical": "#e3b341",
}

PASTEL = {
    "neutral": "#e3e8ff #3b3b5c #aab4ea",
    "pending": "#eef0f4 #44475a #c3c8d4",
    "ready": "#d3e5ff #2f4a73 #9fc0ee",
    "running": "#ffe9b8 #6b4e12 #eec66f",
    "done": "#cdf0d6 #245238 #92d1a4",
    "failed": "#ffd3d3 #7a2a32 #f0a0a2",
    "skipped": "#f6f4f2 #635c58 #cfc8c2 dashed",
    "cancelled": "#e8dcff #4d3a76 #c2abed dashed",
    "background": "#fffdfa",
    "text": "#3b3b4f",
    "line": "#8d8aa3",
    "group": "#faf7f2 #4a4a60 #e2dbd0",
    "waited": "#ebe8f0",
    "critical": "#d9789a",
}

HIGH_CONTRAST = {
    "neutral": "#ffffff #000000 #000000",
    "pending": "#ffffff #000000 #000000",
    "ready": "#cfe3ff #000000 #00357a",
    "running": "#ffd400 #000000 #000000",
    "done": "#004a17 #ffffff #000000",
    "failed": "#8f0000 #ffffff #000000",
    "skipped": "#ffffff #000000 #000000 dashed",
    "cancelled": "#4b0082 #ffffff #000000 dashed",
    "background": "#ffffff",
    "text": "#000000",
    "line": "#000000",
    "group": "#f2f2f2 #000000 #000000",
    "waited": "#8c8c8c",
    "critical": "#e07800",
}

GRAYSCALE = {
    "neutral": "#f2f2f2 #1a1a1a #7a7a7a",
    "pending": "#ffffff #333333 #9a9a9a",
    "ready": "#ebebeb #222222 #7a7a7a",
    "running": "#c4c4c4 #111111 #333333",
    "done": "#6a6a6a #ffffff #444444",
    "failed": "#161616 #ffffff #000000",
    "skipped": "#fafafa #555555 #9a9a9a dashed",
    "cancelled": "#dedede #333333 #6a6a6a dashed",
    "background": "#ffffff",
    "text": "#1a1a1a",
    "line": "#707070",
    "group": "#f7f7f7 #333333 #cfcfcf",
    "waited": "#e6e6e6",
    "critical": "#000000",
}
