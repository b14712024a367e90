"""Checks of the machine, the packages and the services that a search needs: one file for each."""
