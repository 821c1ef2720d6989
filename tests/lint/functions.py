# SPDX-License-Identifier: MIT
"""Finds functions and their lengths in C++, C and Python sources."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

_NOT_FUNCTION = re.compile(r"^(?:export\s+)?(?:inline\s+)?(?:namespace|class|struct|union|enum|extern\s*$)\b")
_NAME = re.compile(r"((?:[\w:~]|operator\s*[^\s\w(]+|operator\s*\(\))+)\s*\(")
_TEMPLATE = re.compile(r"^template\s*<")


@dataclass(frozen=True)
class Function:
    """A function and the lines from the start of its declaration to its last brace."""

    name: str
    first_line: int
    last_line: int

    @property
    def lines(self) -> int:
        """Its length in lines."""
        return self.last_line - self.first_line + 1


def blank_out(text: str) -> str:
    """Replaces comments, literals and preprocessor lines by spaces, so that only code braces remain; keeps lines."""
    pattern = re.compile(
        r"//(?:[^\n\\]|\\.|\\\n)*"
        r"|/\*.*?\*/"
        r'|R"(?P<mark>[^(\s]*)\(.*?\)(?P=mark)"'
        r'|"(?:[^"\\\n]|\\.)*"'
        r"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)+'"
        r"|^[ \t]*#(?:[^\n\\]|\\.|\\\n)*",
        re.DOTALL | re.MULTILINE,
    )
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def _strip_template(header: str) -> str:
    """Removes a leading template parameter list and attributes."""
    header = re.sub(r"\[\[[^\]]*\]\]", " ", header).strip()
    while _TEMPLATE.match(header):
        depth, position = 0, header.index("<")
        while position < len(header):
            depth += {"<": 1, ">": -1}.get(header[position], 0)
            position += 1
            if depth == 0:
                break
        header = header[position:].strip()
    return header


def _function_name(header: str) -> str | None:
    """Returns the function that a block's header declares; None for a namespace, a class or an initialiser."""
    header = re.sub(r"^\s*(?:public|private|protected)\s*:", " ", header)
    header = _strip_template(header)
    if _NOT_FUNCTION.match(header) or "(" not in header:
        return None
    before = header[: header.index("(")]
    if re.search(r"(?<![=!<>])=(?!=)", before) and "operator" not in before:
        return None
    match = _NAME.search(header)
    return match[1] if match else None


def _is_initialiser(header: str) -> bool:
    """Tells whether a brace belongs to a default argument, a member initialiser or a variable's value."""
    if header.count("(") > header.count(")"):
        return True
    return bool(re.search(r"\)\s*(?:noexcept\s*)?:(?!:)[^;]*\w\s*$", header)) or header.rstrip().endswith(("=", ","))


class _Scanner:
    """Walks the braces of a source and collects the functions."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.functions: list[Function] = []
        self.open_blocks: list[tuple[str, str, int]] = []
        self.function_depth = 0
        self.start = 0

    def open_brace(self, position: int) -> None:
        """Classifies the block that begins here."""
        header = self.code[self.start : position]
        first = self.start + len(header) - len(header.lstrip())
        name = ""
        if self.function_depth:
            kind = "inner"
        elif _is_initialiser(header):
            kind = "initialiser"
        else:
            name = _function_name(header) or ""
            kind = "function" if name else "scope"
        self.function_depth += kind in ("function", "inner")
        self.open_blocks.append((kind, name, first))
        if kind != "initialiser":
            self.start = position + 1

    def close_brace(self, position: int) -> None:
        """Ends the innermost block; notes it if it is a function."""
        if not self.open_blocks:
            return
        kind, name, first = self.open_blocks.pop()
        self.function_depth -= kind in ("function", "inner")
        if kind == "function":
            lines = [self.code.count("\n", 0, end) + 1 for end in (first, position)]
            self.functions.append(Function(name, *lines))
        if kind != "initialiser":
            self.start = position + 1

    def semicolon(self, position: int) -> None:
        """Ends a statement, unless it stands inside parentheses or a function."""
        if self.function_depth:
            return
        if self.code.count("(", self.start, position) <= self.code.count(")", self.start, position):
            self.start = position + 1


def cxx_functions(text: str) -> list[Function]:
    """Returns the functions defined at namespace or class scope; lambdas and local classes count to their function."""
    scanner = _Scanner(blank_out(text))
    actions = {"{": scanner.open_brace, "}": scanner.close_brace, ";": scanner.semicolon}
    for match in re.finditer(r"[{};]", scanner.code):
        actions[match[0]](match.start())
    return scanner.functions


def python_functions(text: str) -> list[Function]:
    """Returns all functions of a Python source, methods included."""
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [Function(node.name, node.lineno, node.end_lineno or node.lineno) for node in nodes]
