"""The downstream tasks, one file each.

A new one is a file here and a line in ``registry.py``; another package adds its own by an entry point of the group
``hico_platform.evaluation_tasks``.
"""
