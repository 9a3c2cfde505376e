"""The program `graphkit` of the command line."""
