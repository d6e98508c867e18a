"""The small changes that make mutants: what may stand in a statement in place of one node of its syntax tree."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, TypeVar

__all__ = ["Steps", "changes", "first_line", "put", "shown"]

# From a node to one below it: field by field, with the index where the field is a list.
Steps = tuple[tuple[str, int | None], ...]
# What kind of change, and what comes of it.
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
# Functions that are easily taken for one another.
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
    """Kinds of change of a statement, but not of the statements within it: which node of it, and what replaces that.

    Parameters
    ----------
    statement : ast.stmt
        The statement.
    parameters : frozenset of str
        Names that are bound before it, so that it can be left out if it only binds one of them.
    """
    for kind, node in of_statement(statement, parameters):
        yield kind, (), node
    for steps, below in within(statement):
        for kind, node in of_expression(below):
            yield kind, steps, node


def of_statement(statement: ast.stmt, parameters: frozenset[str]) -> Iterator[Change]:
    """What may stand in place of a whole statement."""
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
    """What may stand in place of an expression, a slice or the arguments of a function."""
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
    """Another operator, or an operand alone."""
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
    """Leave a bound or the step out, or be off by one."""
    for name in ("lower", "upper", "step"):
        bound = getattr(node, name)
        if bound is not None:
            yield "slice", changed(node, **{name: None})
        if bound is not None and not isinstance(bound, ast.Constant):
            yield "slice", changed(node, **{name: ast.BinOp(bound, ast.Sub(), ast.Constant(value=1))})


def of_call(node: ast.Call) -> Iterator[Change]:
    """Exchange two arguments, leave out one that has a name, take another function, or forget the call."""
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
    """Conditions joined as those of a node, or the one that there is."""
    return changed(node, values=values) if len(values) > 1 else values[0]


def exchanged(items: list[ast.expr]) -> Iterator[list[ast.expr]]:
    """A list with two neighbours exchanged; names in quotes stay where they are."""
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
    """What a statement is made of, without the statements within it, decorators, texts, and the assertion `strict`."""
    for step, child in shown(node):
        left_out = step[0][0] == "decorator_list" or (isinstance(child, ast.keyword) and child.arg == "strict")
        if not left_out and not isinstance(child, ast.stmt | ast.excepthandler | ast.JoinedStr):
            yield step, child
            yield from ((step + more, below) for more, below in within(child))


def changed(node: Node, **fields: Any) -> Node:
    """A node with other fields; the node itself stays as it is."""
    return type(node)(**{**vars(node), **fields})


def put(node: ast.AST, steps: Steps, new: ast.AST) -> ast.AST:
    """A tree with another node in one place; the tree itself stays as it is."""
    if not steps:
        return new
    (name, index), *rest = steps
    value = getattr(node, name)
    if index is None:
        return changed(node, **{name: put(value, tuple(rest), new)})
    return changed(node, **{name: [*value[:index], put(value[index], tuple(rest), new), *value[index + 1 :]]})


def first_line(statement: ast.AST) -> str:
    """A statement in one line: of a compound one, the line that ends with a colon."""
    bare = changed(statement, decorator_list=[]) if isinstance(statement, ast.FunctionDef) else statement
    return ast.unparse(ast.fix_missing_locations(bare)).partition("\n")[0]
