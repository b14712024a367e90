"""The command line: one thin file a command; each parses, calls one stage and returns an exit code."""
