"""The command line: a file a command, which parses options, calls a function of commands/ and returns an exit code."""
