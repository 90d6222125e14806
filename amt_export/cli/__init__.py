"""The command line: one file per command, and the tables, bars and arguments that they share."""
