// Between a comparison's own words (txlog/reconcile) and those that managers send each other (fsc/).
import type { ComparedPart, ComparisonStep } from "../fsc/log-interface.js";
import type { InnerNode, Node } from "../txlog/reconcile/node.js";
import type { StepRequest } from "../txlog/reconcile/step.js";

const partOf = (node: Node): ComparedPart => ({
  level: node.level,
  index: node.level === "whole" ? 0 : node.index,
  service: "service" in node ? node.service : "",
  last: node.level === "group" ? node.last : 0,
});

const nodeOf = ({ level, index, service, last }: ComparedPart): Node => {
  switch (level) {
    case "whole":
      return { level };
    case "day":
    case "hour":
      return { level, index };
    case "bucket":
      return { level, index, service };
    case "group":
      return { level, index, service, last };
  }
};

/** A step as it is sent. */
export const stepOf = ({ what, nodes, range, skip }: StepRequest): ComparisonStep => ({
  ...{ ...range, what, skip },
  parts: nodes.map(partOf),
});

/** A step that came. */
export const requestOf = ({ what, parts, fromMs, toMs, skip }: ComparisonStep): StepRequest => {
  const nodes = parts.map(nodeOf);
  const inner = nodes.filter((node): node is InnerNode => node.level !== "group");
  const wanted = what === "children" ? { what, nodes: inner } : { what, nodes };
  return { ...wanted, range: { fromMs, toMs }, skip };
};
