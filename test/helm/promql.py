"""Prints, for each query of a JSON list, the metrics that it names and the labels that it speaks of."""
import json
import sys

import promql_parser as promql

CHILDREN = ("expr", "lhs", "rhs", "param", "vector_selector")


def walk(node, found):
    if isinstance(node, promql.VectorSelector):
        found["metrics"].append(node.name)
        found["labels"] += [matcher.name for matcher in node.matchers.matchers]
    if isinstance(node, promql.AggregateExpr) and node.modifier:
        found["labels"] += node.modifier.labels
    for child in [getattr(node, name, None) for name in CHILDREN] + list(getattr(node, "args", [])):
        if isinstance(child, promql.Expr):
            walk(child, found)
    return found


queries = json.loads(sys.argv[1])
print(json.dumps([walk(promql.parse(query), {"query": query, "metrics": [], "labels": []}) for query in queries]))
