"""Algorithms beside one another: tables, intervals, figures, a page."""
