"""Reading a finished graph for a person: what its layers cost, and what is wrong with it."""

from graphkit.inspection.graph_checks import Finding as Finding
from graphkit.inspection.graph_checks import check_graph as check_graph
from graphkit.inspection.summaries import Summary as Summary
from graphkit.inspection.summaries import summary as summary
