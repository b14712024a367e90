"""The report of a search: one page with its plots, tables and everything that goes with the numbers."""
