"""What a run leaves for people and for other tools: event files, lines of metrics, facts, a report."""
