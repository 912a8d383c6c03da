"""Drawings of a graph: text for a terminal, Mermaid, DOT and SVG. Each is a pure function from the view to text."""
