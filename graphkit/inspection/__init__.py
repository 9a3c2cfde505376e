"""Reading a built graph as a table of its layers."""
