"""What a run had around it: code, packages, command, variables and GPUs, kept beside it and compared later."""
