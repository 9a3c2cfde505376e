"""Times training next to other libraries: who is compared, the processes that train, what is shown."""
