"""Python 2 syntax, found by reading tokens, because Python 3 cannot parse it; and its edits to Python 3."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from graphkit.tf1.programs.findings import Edit, Finding

TOKEN = re.compile(
    r"""(?P<string>(?:[bBuUrRfF]|[bB][rR]|[rR][bBfF]|[uUfF][rR])?
          (?:\'\'\'(?:\\.|[^\\])*?\'\'\'|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))
      |(?P<blank>\#[^\n]*|\\\r?\n|[ \t\f\r]+)
      |(?P<newline>\n)
      |(?P<number>0[xX][\da-fA-F]+[lL]?|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[jJlL]?)
      |(?P<name>\w+)
      |(?P<operator><>|>>|[-+*/%&|^=<>!]=|.)""",
    re.VERBOSE | re.DOTALL,
)
OPENING, CLOSING = "([{", ")]}"


class Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def find(text: str) -> list[Finding]:
    """Returns the syntax of Python 2 in a text that Python 3 cannot parse."""
    found = []
    for statement in statements(text):
        line = text.count("\n", 0, statement[0].start) + 1
        rule = RULES.get(statement[0].text)
        if rule is not None:
            found += rule(statement, line)
        for token in statement:
            old = old_spelling(token)
            if old is not None:
                at = text.count("\n", 0, token.start) + 1
                message = f"{token.text} is Python 2; write {old}"
                found.append(Finding(at, message, token.text, (Edit(token.start, token.end, old),)))
        quotes = [token for token in statement if token.text == "`"]
        for first, last in zip(quotes[::2], quotes[1::2], strict=False):
            edits = (Edit(first.start, first.end, "repr("), Edit(last.start, last.end, ")"))
            found.append(Finding(line, "`value` is Python 2; write repr(value)", "`", edits))
    return found


def spaces(text: str) -> list[Finding]:
    """Returns the lines that are indented by tabs, which Python 3 does not mix with spaces."""
    found, line, is_start = [], 1, True
    for match in TOKEN.finditer(text):
        if is_start and "\t" in match.group() and not match.group().strip(" \t"):
            edit = Edit(match.start(), match.end(), match.group().expandtabs(8))
            found.append(Finding(line, "tabs and spaces are mixed; indent by spaces", "tab", (edit,)))
        is_start = match.lastgroup == "newline"
        line += match.group().count("\n")
    return found


def statements(text: str) -> Iterator[list[Token]]:
    """Yields the tokens of each statement, without comments; "if x:" is one of its own."""
    depth, statement = 0, list[Token]()
    for match in TOKEN.finditer(text):
        token = Token(match.lastgroup or "", match.group(), match.start(), match.end())
        if token.kind == "operator":
            depth += (token.text in OPENING) - (token.text in CLOSING)
        is_end = token.kind == "newline" or token.text in (";", ":")
        if is_end and depth <= 0:
            if statement:
                yield statement
            depth, statement = 0, []
        elif token.kind not in ("blank", "newline"):
            statement.append(token)
    if statement:
        yield statement


def commas(tokens: list[Token], separator: str = ",") -> list[int]:
    """Returns where a separator stands outside of brackets."""
    depth, found = 0, []
    for place, token in enumerate(tokens):
        if token.kind == "operator":
            depth += (token.text in OPENING) - (token.text in CLOSING)
        if depth == 0 and token.text == separator:
            found.append(place)
    return found


def is_bracketed(tokens: list[Token]) -> bool:
    """Whether one pair of round brackets encloses all tokens."""
    depth = 0
    for place, token in enumerate(tokens):
        if token.kind == "operator":
            depth += (token.text in OPENING) - (token.text in CLOSING)
        if depth == 0:
            return tokens[0].text == "(" and place == len(tokens) - 1
    return False


def old_spelling(token: Token) -> str | None:
    """Returns what to write for a token of Python 2, None for others."""
    if token.text == "<>":
        return "!="
    if token.kind == "number" and token.text[-1] in "lL":
        return token.text[:-1]
    if token.kind == "number" and re.fullmatch(r"0[0-7]*[1-7][0-7]*", token.text):
        return "0o" + token.text[1:]
    if token.kind == "string" and token.text[:2].lower() == "ur":
        return token.text[1:]
    return None


def print_statement(tokens: list[Token], line: int) -> list[Finding]:
    rest = tokens[1:]
    if rest and (is_bracketed(rest) or (rest[0].kind == "operator" and rest[0].text not in "([{`-+~>>")):
        return []
    edits, ending = [], ")"
    if rest and rest[0].text == ">>":
        places = commas(rest)
        target = rest[1 : places[0] if places else None]
        rest = rest[places[0] + 1 :] if places else []
        ending = ("" if not rest else ", ") + "file=" + "".join(token.text for token in target) + ")"
        after = rest[0].start if rest else target[-1].end
    else:
        after = rest[0].start if rest else tokens[0].end
    edits.append(Edit(tokens[0].end, after, "("))
    last = rest[-1] if rest else None
    if last is not None and last.text == ",":
        edits.append(Edit(last.start, last.end, ', end=" "' + ending))
    elif last is not None:
        edits.append(Edit(last.end, last.end, ending))
    else:
        edits[0] = Edit(tokens[0].end, after, "(" + ending)
    return [Finding(line, "the print statement is Python 2; write print(...)", "print", tuple(edits))]


def exec_statement(tokens: list[Token], line: int) -> list[Finding]:
    rest = tokens[1:]
    if not rest or is_bracketed(rest) or rest[0].text in ("=", "."):
        return []
    places = commas(rest, "in")
    edits = [Edit(tokens[0].end, rest[0].start, "("), Edit(rest[-1].end, rest[-1].end, ")")]
    edits += [Edit(rest[place - 1].end, rest[place].end, ",") for place in places[:1]]
    return [Finding(line, "the exec statement is Python 2; write exec(code, names)", "exec", tuple(edits))]


def except_clause(tokens: list[Token], line: int) -> list[Finding]:
    places = commas(tokens)
    if len(places) != 1 or places[0] != len(tokens) - 2 or tokens[-1].kind != "name":
        return []
    edit = Edit(tokens[places[0] - 1].end, tokens[places[0]].end, " as")
    return [Finding(line, "except E, e is Python 2; write except E as e", "except", (edit,))]


def raise_statement(tokens: list[Token], line: int) -> list[Finding]:
    places = commas(tokens)
    if not places:
        return []
    if len(places) > 1:
        message = "raise E, value, trace is Python 2; write raise E(value).with_traceback(trace)"
        return [Finding(line, message, "raise")]
    comma, value = tokens[places[0]], tokens[places[0] + 1 :]
    edits = [Edit(tokens[places[0] - 1].end, value[0].start if value else comma.end, "")]
    if not is_bracketed(value):
        edits = [edits[0]._replace(new="("), Edit(tokens[-1].end, tokens[-1].end, ")")]
    return [Finding(line, 'raise E, "text" is Python 2; write raise E("text")', "raise", tuple(edits))]


RULES = {
    "print": print_statement,
    "exec": exec_statement,
    "except": except_clause,
    "raise": raise_statement,
}
