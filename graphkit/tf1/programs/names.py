"""The full names that a program uses: through imports and aliases, `L.flatten` is tf.contrib's."""

import ast
import re
from collections.abc import Iterable
from typing import NamedTuple

GUARDS = {"ImportError", "ModuleNotFoundError", "NameError", "AttributeError", "Exception"}
VERSION_TEST = re.compile(r"version_info|sys\.version|hexversion|__version__|PY[23]")
# {module that a program imports: the name that it has here}
ROOTS = {
    "tensorflow.compat.v1": "tf",
    "tf.compat.v1": "tf",
    "tensorflow": "tf",
    "graphkit.tf1": "tf",
    "tf_slim": "tf.contrib.slim",
}
# Such as tensorflow.contrib.slim.python.slim.nets, which is tf.contrib.slim.nets.
PRIVATE = re.compile(r"^(tf\.contrib\.\w+)\.python\.\w+")


class Use(NamedTuple):
    """One use of a name.

    Args:
      name: such as "tf.layers.dense", "numpy.float", "builtins.xrange", or ".iteritems" of an unknown object.
      node: the attribute, the name, or what is imported.
      statement: the import, for what is imported.
      call: the call of which it is the function.
      is_guarded: whether the program does something else where the name is missing.
    """

    name: str
    node: ast.Attribute | ast.Name | ast.alias
    statement: ast.Import | ast.ImportFrom | None
    call: ast.Call | None
    is_guarded: bool


def uses(tree: ast.Module) -> list[Use]:
    """Returns all uses of names that are imported, built in, or attributes of objects that are not known."""
    reader = Reader()
    reader.block(tree.body)
    while reader.waiting:
        function, scopes = reader.waiting.pop(0)
        reader.scopes = [*scopes, {}]
        reader.function(function)
    own = tuple(f"{name}." for name in reader.assigned)
    found = [use for use in reader.found if not f"{use.name}.".startswith(own)]
    return sorted(found, key=lambda use: (use.node.lineno, use.node.col_offset))


def full_name(name: str) -> str:
    """Returns "tf.contrib.slim" for "tensorflow.contrib.slim", and names of other modules as they are."""
    for old, new in ROOTS.items():
        if f"{name}.".startswith(f"{old}."):
            return PRIVATE.sub(r"\1", new + name[len(old) :])
    return PRIVATE.sub(r"\1", name)


class Reader(ast.NodeVisitor):
    """Walks through a tree as Python executes it; bodies of functions come after what is around them."""

    def __init__(self) -> None:
        self.found: list[Use] = []
        self.scopes: list[dict[str, str | None]] = [
            {}
        ]  # {name: full name, or None if it is the program's own}
        self.waiting: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, list[dict[str, str | None]]]] = []
        self.calls: dict[ast.expr, ast.Call] = {}
        self.guards = 0
        self.assigned: set[str] = set()

    def block(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def add(
        self,
        name: str,
        node: ast.Attribute | ast.Name | ast.alias,
        statement: ast.Import | ast.ImportFrom | None = None,
    ) -> None:
        call = self.calls.get(node) if isinstance(node, ast.expr) else None
        self.found.append(Use(name, node, statement, call, self.guards > 0))

    def path(self, node: ast.AST) -> str | None:
        """Returns the full name of an expression, None if it is not a name that was imported."""
        if isinstance(node, ast.Name):
            return next((scope[node.id] for scope in reversed(self.scopes) if node.id in scope), None)
        if isinstance(node, ast.Attribute):
            value = self.path(node.value)
            return full_name(f"{value}.{node.attr}") if value else None
        return None

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = full_name(alias.name)
            self.add(name, alias, node)
            if alias.asname is None:  # `import a.b` binds a
                top = alias.name.partition(".")[0]
                self.scopes[-1][top] = full_name(top) if top != "graphkit" else top
            else:
                self.scopes[-1][alias.asname] = name

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            name = full_name(f"{node.module}.{alias.name}") if node.level == 0 else None
            if alias.name == "*":
                if node.level == 0:
                    self.add(full_name(str(node.module)), alias, node)
                continue
            if name is not None:
                self.add(name, alias, node)
            self.scopes[-1][alias.asname or alias.name] = name

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.scopes[-1][node.id] = None
        elif any(node.id in scope for scope in self.scopes):
            name = self.path(node)
            if name is not None:
                self.add(name, node)
        else:
            self.add(f"builtins.{node.id}", node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        name = self.path(node)
        if name is not None and not isinstance(node.ctx, ast.Load):
            self.assigned.add(name)  # a program may keep its own things in a module
        elif name is not None:
            self.add(name, node)
        else:
            self.add(f".{node.attr}", node)
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        self.calls[node.func] = node
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        name = self.path(node.value)
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Name):
                self.scopes[-1][target.id] = name

    def visit_Try(self, node: ast.Try) -> None:
        caught = [name for handler in node.handlers for name in names_of(handler.type)]
        self.guards += (guarded := bool(GUARDS & set(caught)))
        self.block(node.body)
        self.guards -= guarded
        self.block([*node.handlers, *node.orelse, *node.finalbody])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.scopes[-1][node.name] = None
        self.guards += (guarded := bool(GUARDS & set(names_of(node.type))))
        self.generic_visit(node)
        self.guards -= guarded

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        self.guards += (guarded := VERSION_TEST.search(ast.unparse(node.test)) is not None)
        self.block([*node.body, *node.orelse])
        self.guards -= guarded

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.block(node.decorator_list)
        self.block([*node.args.defaults, *(value for value in node.args.kw_defaults if value)])
        self.scopes[-1][node.name] = None
        self.waiting.append((node, [scope for scope in self.scopes if "<class>" not in scope]))

    visit_AsyncFunctionDef = visit_FunctionDef

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.arguments(node.args)
        self.block(node.body)

    def arguments(self, node: ast.arguments) -> None:
        every = [*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg]
        self.scopes[-1].update({argument.arg: None for argument in every if argument})

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.block([*node.decorator_list, *node.bases, *node.keywords])
        self.scopes[-1][node.name] = None
        self.scopes.append({"<class>": None})
        self.block(node.body)
        self.scopes.pop()

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.block([*node.args.defaults, *(value for value in node.args.kw_defaults if value)])
        self.scopes.append({})
        self.arguments(node.args)
        self.visit(node.body)
        self.scopes.pop()

    def visit_comprehension_of(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        self.scopes.append({})
        self.block(node.generators)
        self.block([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.scopes.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_comprehension_of

    def visit_For(self, node: ast.For) -> None:
        self.block([node.iter, node.target, *node.body, *node.orelse])


def names_of(caught: ast.expr | None) -> list[str]:
    """Returns the errors of an `except`; a bare one catches all."""
    if caught is None:
        return ["Exception"]
    return [node.id for node in ast.walk(caught) if isinstance(node, ast.Name)]
