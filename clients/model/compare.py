"""Compares our table of shapes and errors with the service model of the installed botocore.

    cargo run -q -p wire --example shapes > shapes.json
    python3 compare.py < shapes.json

A botocore of today describes AWS JSON: then every action, member, kind, `required` and error must be the same on
both sides. One of 1.31.80 or before describes the query protocol: then every query name it knows must be ours, and
every error code and status it knows. Exits with 1 and a line for each difference.
"""

import json
import sys

import botocore
import botocore.loaders

SQS = "com.amazonaws.sqs"


class Comparison:
    def __init__(self, model, query):
        self.shapes = model["shapes"]
        self.operations = model["operations"]
        self.query = query
        self.compared = 0
        self.differences = []

    def differ(self, where, text):
        self.differences.append("%s: %s" % (where, text))

    def equal(self, where, ours, theirs):
        self.compared += 1
        if ours != theirs:
            self.differ(where, "ours is %r, the model's is %r" % (ours, theirs))

    def names(self, where, ours, theirs):
        """Names on both sides; the old model may lack some of ours, never the other way round."""
        self.compared += 1
        for name in sorted(set(theirs) - set(ours)):
            self.differ(where, "%s is in the model and not in our table" % name)
        if not self.query:
            for name in sorted(set(ours) - set(theirs)):
                self.differ(where, "%s is in our table and not in the model" % name)
        return sorted(set(ours) & set(theirs))

    def actions(self, ours):
        for name in self.names("actions", ours, self.operations):
            operation = self.operations[name]
            for side in ("input", "output"):
                where = "%s %s" % (name, side)
                theirs = operation.get(side)
                if ours[name][side] is None or theirs is None:
                    self.equal(where, ours[name][side], theirs)
                else:
                    self.kind(where, ours[name][side], self.shapes[theirs["shape"]])

    def structure(self, where, ours, theirs):
        required = theirs.get("required", [])
        for name in self.names(where, ours["members"], theirs["members"]):
            member, reference = ours["members"][name], theirs["members"][name]
            at = "%s.%s" % (where, name)
            self.kind(at, member["kind"], self.shapes[reference["shape"]])
            if self.query:
                self.equal(at + " in the query protocol", member["query"], self.query_name(name, reference))
            else:
                self.equal(at + " required", member["required"], name in required)

    def query_name(self, name, reference):
        """What botocore's query serialiser writes: a flat list takes the name of its items."""
        shape = self.shapes[reference["shape"]]
        if shape["type"] == "list" and (shape.get("flattened") or reference.get("flattened")):
            name = shape["member"].get("locationName", name)
        return reference.get("locationName", shape.get("locationName", name))

    def kind(self, where, ours, theirs):
        if theirs["type"] == "structure":
            if not isinstance(ours, dict) or "structure" not in ours:
                return self.differ(where, "is a structure in the model")
            if not self.query:
                self.equal(where, ours["structure"], shape_name(self.shapes, theirs))
            return self.structure(where, ours, theirs)
        if theirs["type"] in ("list", "map"):
            inner = "member" if theirs["type"] == "list" else "value"
            if not isinstance(ours, dict) or theirs["type"] not in ours:
                return self.differ(where, "is a %s in the model" % theirs["type"])
            if self.query and theirs["type"] == "map":
                names = (theirs["key"]["locationName"], theirs["value"]["locationName"])
                self.equal(where + " pairs", (ours["key"], ours["value"]), names)
            return self.kind(where + "[]", ours[theirs["type"]], self.shapes[theirs[inner]["shape"]])
        return self.equal(where, ours, theirs["type"])

    def errors(self, ours):
        modelled = {row["name"]: row for row in ours if row["namespace"] == SQS}
        theirs = {name: shape for name, shape in self.shapes.items() if shape.get("exception")}
        for name in self.names("errors", modelled, theirs):
            error = theirs[name].get("error", {})
            row = modelled[name]
            if "code" in error:
                self.equal("error %s code" % name, row["query"], error["code"])
            if "httpStatusCode" in error:
                self.equal("error %s status" % name, row["status"], error["httpStatusCode"])
            if "senderFault" in error:
                self.equal("error %s fault" % name, row["fault"] == "Sender", error["senderFault"])


def shape_name(shapes, shape):
    return next(name for name, other in shapes.items() if other is shape)


def main():
    ours = json.load(sys.stdin)
    model = botocore.loaders.Loader().load_service_model("sqs", "service-2")
    protocol = model["metadata"]["protocol"]
    comparison = Comparison(model, query=protocol == "query")
    comparison.actions(ours["actions"])
    comparison.errors(ours["errors"])
    for difference in comparison.differences:
        print(difference)
    print(
        "%d comparisons with botocore %s (%s protocol): %d differences"
        % (comparison.compared, botocore.__version__, protocol, len(comparison.differences))
    )
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main())
