"""The changes that make mutants: replacements for single nodes of a statement's syntax tree."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

__all__ = ["Steps", "changes", "first_line", "put", "shown"]

# The path from a node to a descendant: fields, each with an index if the field is a list.
Steps = tuple[tuple[str, int | None], ...]
# The kind of a change, and the new node.
Change = tuple[str, ast.AST]
Node = TypeVar("Node", bound=ast.AST)

ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv, ast.Add),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.Mod: (ast.FloorDiv, ast.Mult),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd, ast.BitXor),
}
COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq, ast.LtE, ast.GtE),
    ast.NotEq: (ast.Eq, ast.Lt, ast.Gt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
# Functions that are easily confused.
CONFUSED = {
    "all": "any",
    "any": "all",
    "max": "min",
    "min": "max",
    "maximum": "minimum",
    "minimum": "maximum",
    "zeros": "empty",
    "empty": "zeros",
    "ones": "zeros",
    "sum": "mean",
    "isnan": "isinf",
}
# Calls that are easily forgotten.
FORGOTTEN = {"ascontiguousarray", "astype", "copy", "int", "reshape", "tuple"}
ANNOTATIONS = {"annotation", "returns"}


def changes(statement: ast.stmt, parameters: frozenset[str]) -> Iterator[tuple[str, Steps, ast.AST]]:
    """All changes of a statement, without those of nested statements: kind, path to the node, and new node.

    Parameters
    ----------
    statement : ast.stmt
        The statement.
    parameters : frozenset of str
        Names that are bound before it; the statement can be deleted if it only binds one of them.
    """
    for kind, node in of_statement(statement, parameters):
        yield kind, (), node
    for steps, below in within(statement):
        for kind, node in of_expression(below):
            yield kind, steps, node


def of_statement(statement: ast.stmt, parameters: frozenset[str]) -> Iterator[Change]:
    """Replacements for a whole statement."""
    match statement:
        case ast.AugAssign(target=target, op=op, value=value):
            yield "deletion", ast.Pass()
            yield "arithmetic", ast.Assign([target], value)
            for new in ARITHMETIC.get(type(op), ()):
                yield "arithmetic", changed(statement, op=new())
        case ast.Assign(targets=[ast.Name(id=name)]) if name in parameters:
            yield "deletion", ast.Pass()
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield "deletion", ast.Pass()
        case ast.Expr(value=ast.Call()):
            yield "deletion", ast.Pass()
        case ast.If(body=body):
            yield "condition", changed(statement, test=ast.Constant(value=False))
            if not isinstance(body[-1], ast.Raise):
                yield "condition", changed(statement, test=ast.Constant(value=True))


def of_expression(node: ast.AST) -> Iterator[Change]:
    """Replacements for an expression, a slice or the arguments of a function."""
    match node:
        case ast.Constant(value=bool() as value):
            yield "constant", changed(node, value=not value)
        case ast.Constant(value=int() | float() as value):
            yield from (("constant", changed(node, value=new)) for new in (value + 1, value - 1))
        case ast.IfExp(body=body, orelse=orelse):
            yield from (("condition", each) for each in (body, orelse))
        case ast.Slice():
            yield from of_slice(node)
        case ast.Tuple(elts=items, ctx=ast.Load()):
            yield from (("swap", changed(node, elts=each)) for each in exchanged(items))
        case ast.Call():
            yield from of_call(node)
        case _:
            yield from of_operation(node)


def of_operation(node: ast.AST) -> Iterator[Change]:
    """Replacements for an operation: another operator, or one of the operands."""
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            yield from (("arithmetic", changed(node, op=new())) for new in ARITHMETIC.get(type(op), ()))
            yield from (("operand", each) for each in (left, right))
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            yield "negation", operand
        case ast.BoolOp(op=op, values=values):
            yield "boolean", changed(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
            yield from (("boolean", joined(node, values[:i] + values[i + 1 :])) for i in range(len(values)))
        case ast.Compare(ops=[op]):
            yield from (("comparison", changed(node, ops=[new()])) for new in COMPARISON.get(type(op), ()))


def of_slice(node: ast.Slice) -> Iterator[Change]:
    """Replacements for a slice: a bound or the step removed, or off by one."""
    for name in ("lower", "upper", "step"):
        bound = getattr(node, name)
        if bound is not None:
            yield "slice", changed(node, **{name: None})
        if bound is not None and not isinstance(bound, ast.Constant):
            yield "slice", changed(node, **{name: ast.BinOp(bound, ast.Sub(), ast.Constant(value=1))})


def of_call(node: ast.Call) -> Iterator[Change]:
    """Replacements for a call: two arguments exchanged, a keyword removed, another function, or no call."""
    yield from (("swap", changed(node, args=each)) for each in exchanged(node.args))
    for (i, first), (j, second) in pairwise(enumerate(node.keywords)):
        if not isinstance(first.value, ast.Constant) and not isinstance(second.value, ast.Constant):
            keywords = list(node.keywords)
            keywords[i], keywords[j] = changed(first, value=second.value), changed(second, value=first.value)
            yield "swap", changed(node, keywords=keywords)
    for i, keyword in enumerate(node.keywords):
        if keyword.arg != "strict":
            yield "argument", changed(node, keywords=node.keywords[:i] + node.keywords[i + 1 :])
    match node.func:
        case ast.Name(id=name) if name in CONFUSED:
            yield "function", changed(node, func=changed(node.func, id=CONFUSED[name]))
        case ast.Attribute(attr=name) if name in CONFUSED:
            yield "function", changed(node, func=changed(node.func, attr=CONFUSED[name]))
        case ast.Attribute(value=ast.Name(id="np"), attr=name) if name in FORGOTTEN:
            yield "call", node.args[0]
        case ast.Attribute(value=value, attr=name) if name in FORGOTTEN:
            yield "call", value
        case ast.Name(id=name) if name in FORGOTTEN:
            yield "call", node.args[0]


def joined(node: ast.BoolOp, values: list[ast.expr]) -> ast.expr:
    """Conditions joined by the operator of a node; a single condition stays as it is."""
    return changed(node, values=values) if len(values) > 1 else values[0]


def exchanged(items: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """The lists with two neighbours exchanged, except neighbours of string constants."""
    for i, pair in enumerate(pairwise(items)):
        if not any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in pair):
            yield [*items[:i], *pair[::-1], *items[i + 2 :]]


def shown(node: ast.AST) -> Iterator[tuple[Steps, ast.AST]]:
    """The children of a node, without annotations."""
    for name, value in ast.iter_fields(node):
        if name not in ANNOTATIONS:
            children = enumerate(value) if isinstance(value, list) else [(None, value)]
            yield from ((((name, index),), child) for index, child in children if isinstance(child, ast.AST))


def within(node: ast.AST) -> Iterator[tuple[Steps, ast.AST]]:
    """All nodes of a statement, without nested statements, decorators, f-strings and the keyword `strict`."""
    for step, child in shown(node):
        left_out = step[0][0] == "decorator_list" or (isinstance(child, ast.keyword) and child.arg == "strict")
        if not left_out and not isinstance(child, ast.stmt | ast.excepthandler | ast.JoinedStr):
            yield step, child
            yield from ((step + more, below) for more, below in within(child))


def changed(node: Node, **fields: Any) -> Node:
    """A copy of a node with other fields; the node itself is not changed."""
    return type(node)(**{**vars(node), **fields})


def put(node: ast.AST, steps: Steps, new: ast.AST) -> ast.AST:
    """A copy of a tree with one node replaced; the tree itself is not changed."""
    if not steps:
        return new
    (name, index), *rest = steps
    value = getattr(node, name)
    if index is None:
        return changed(node, **{name: put(value, tuple(rest), new)})
    return changed(node, **{name: [*value[:index], put(value[index], tuple(rest), new), *value[index + 1 :]]})


def first_line(statement: ast.AST) -> str:
    """A statement in one line; for a compound statement, its first line, which ends with a colon."""
    bare = changed(statement, decorator_list=[]) if isinstance(statement, ast.FunctionDef) else statement
    return ast.unparse(ast.fix_missing_locations(bare)).partition("\n")[0]
