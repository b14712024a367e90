"""The Python interface, ``import hico_platform as hico``: one file a noun, thin over what the commands call."""
