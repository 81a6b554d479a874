# SPDX-License-Identifier: Apache-2.0
"""What is in a Markdown file of this project: code blocks, headings, links. Only what these files use of Markdown."""
import dataclasses
import pathlib
import re
import subprocess
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
ITEM = re.compile(r"( *)(?:\d+\.|[-*])( +)(?=\S)")
LINK = re.compile(r"!?\[(?:[^][]|\[[^][]*\])*\]\(([^()\s]+)\)")


@dataclasses.dataclass
class Block:
    """Code: indented by four more than the text around it, or between fences. An empty line parts two blocks."""
    document: str
    line: int
    text: str

    @property
    def first(self):
        return self.text.split("\n", 1)[0]

    def __str__(self):
        return f"{self.document}:{self.line}: {self.first}"


def files():
    """All Markdown files of the tree, by their paths in it."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard", "*.md"], stdout=subprocess.PIPE, text=True)
    names = listed.stdout.split() if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.rglob("*.md")]
    return sorted(n for n in names if (ROOT / n).is_file())


def parse(name, text=None):
    """(code blocks, the lines that are none) of a file; what stands for a line of code is empty."""
    blocks, prose, code = [], [], []
    fence, inside, after_blank = None, 0, True
    lines = (text if text is not None else (ROOT / name).read_text()).split("\n")

    def end():
        if code:
            blocks.append(Block(name, code[0][0], textwrap.dedent("\n".join(c for _, c in code))))
        code.clear()
    for number, line in enumerate(lines, 1):
        indent = len(line) - len(line.lstrip(" "))
        prose.append("")
        if fence:
            if line.strip() == fence:
                fence = None
                end()
            elif line.strip():
                code.append((number, line))
            else:
                end()
            continue
        if line.strip().startswith("```"):
            end()
            fence = "```"
            continue
        if not line.strip():
            end()
            after_blank = True
            continue
        if indent < inside:
            inside = 0
        if (code or after_blank) and indent >= inside + 4:
            code.append((number, line))
            continue
        end()
        after_blank = False
        prose[-1] = line
        item = ITEM.match(line)
        if item:
            inside = item.end()
    end()
    return blocks, prose


def anchors(name):
    """Of the headings, as they are made of their words."""
    found, seen = set(), {}
    for line in parse(name)[1]:
        heading = re.match(r"#+ +(.*?) *#*$", line)
        if not heading:
            continue
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading.group(1)).lower()
        slug = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        count = seen[slug] = seen.get(slug, -1) + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found


def links(name):
    """(line, where it leads) of every link and picture."""
    text = "\n".join(re.sub(r"`[^`]*`", lambda m: " " * len(m.group()), line) for line in parse(name)[1])
    for m in LINK.finditer(text):
        yield text.count("\n", 0, m.start()) + 1, m.group(1)


def broken_links(names):
    """Of these files, what is no file of the tree and no heading of it. Other sites are not asked."""
    wrong = []
    for name in names:
        for line, target in links(name):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            there = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not there.exists() or ROOT not in (there, *there.parents):
                wrong.append(f"{name}:{line}: {target}: there is no such file")
            elif anchor and (there.suffix != ".md" or anchor not in anchors(str(there.relative_to(ROOT)))):
                wrong.append(f"{name}:{line}: {target}: there is no such heading")
    return wrong
