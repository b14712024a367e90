"""Messages to people about a search: what happened, to whom it is sent, and when."""
