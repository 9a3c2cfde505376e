"""Reading a finished graph for a person."""

from graphkit.inspection.faults import Finding as Finding
from graphkit.inspection.faults import check_graph as check_graph
from graphkit.inspection.summaries import Summary as Summary
from graphkit.inspection.summaries import summary as summary
