# SPDX-License-Identifier: MIT
"""Tests that each check of the source tree finds what it is for, on small trees of its own."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import paths
from checks import (
    CHECKS,
    check_dependencies,
    check_generated,
    check_licences,
    check_options,
    check_paths,
    check_placeholders,
    check_python,
    check_sizes,
)
from functions import cxx_functions, python_functions
from source_tree import SourceTree

MIT = "// SPDX-License-Identifier: MIT\n"
LONG = "".join(f"    step({i});\n" for i in range(80))


class FindFunctions(unittest.TestCase):
    """Functions in C++ of several shapes."""

    def names(self, text: str) -> list[tuple[str, int]]:
        """Returns names and lengths."""
        return [(function.name, function.lines) for function in cxx_functions(text)]

    def test_both_brace_styles_and_members(self) -> None:
        text = "namespace a {\nint f(int x)\n{\n    return x;\n}\nstruct S\n{\n    int g() const { return 1; }\n};\nvoid S::h() {\n}\n}\n"
        self.assertEqual(self.names(text), [("f", 4), ("g", 1), ("S::h", 2)])

    def test_constructor_with_brace_initialisers(self) -> None:
        self.assertEqual(self.names("S::S(int x) : a_{x}, b_(x), c_{1}\n{\n    go();\n}\n"), [("S::S", 4)])

    def test_default_arguments_are_no_functions(self) -> None:
        text = "class C\n{\n    void f(View a, View b = {});\n    int const kTable[2] = {1, 2};\n    void g()\n    {\n    }\n};\n"
        self.assertEqual(self.names(text), [("g", 3)])

    def test_lambdas_count_to_their_function(self) -> None:
        self.assertEqual(self.names("void f()\n{\n    run([](int x) {\n        use(x);\n    });\n}\n"), [("f", 6)])

    def test_braces_in_comments_literals_and_macros(self) -> None:
        text = 'void f()\n{\n    // }\n    put("}", \'}\', R"x(}})x");\n#define HV_X }\n    /* } */\n}\nvoid g()\n{\n}\n'
        self.assertEqual(self.names(text), [("f", 7), ("g", 3)])

    def test_templates_and_operators(self) -> None:
        text = "template<typename T>\nT& operator*(T& a)\n{\n    return a;\n}\n"
        self.assertEqual(self.names(text), [("operator*", 5)])

    def test_python(self) -> None:
        found = python_functions("class A:\n    def f(self):\n        pass\n\ndef g():\n    return 1\n")
        self.assertEqual({(function.name, function.lines) for function in found}, {("f", 2), ("g", 2)})


class Checks(unittest.TestCase):
    """Each rule, kept and broken."""

    def problems(self, check: object, files: dict[str, str]) -> list[str]:
        """Runs a check on a tree of these files."""
        with tempfile.TemporaryDirectory() as folder:
            paths.write_tree(Path(folder), files)
            return check(SourceTree(Path(folder)))  # type: ignore[operator]

    def test_sizes(self) -> None:
        self.assertEqual(self.problems(check_sizes, {"a.cpp": "x\n" * 500}), [])
        self.assertEqual(len(self.problems(check_sizes, {"a.cpp": "x\n" * 501})), 1)
        self.assertEqual(self.problems(check_sizes, {"a.cpp": f"void f()\n{{\n{LONG[: LONG.index('step(77)') - 4]}}}\n"}), [])
        self.assertIn("f has 83 lines", self.problems(check_sizes, {"a.cpp": f"void f()\n{{\n{LONG}}}\n"})[0])

    def test_size_exceptions_need_reason_and_use(self) -> None:
        long_file = {"a.cpp": "x\n" * 501}
        listed = "tests/lint/exceptions.txt"
        self.assertEqual(self.problems(check_sizes, long_file | {listed: "file-lines a.cpp because a table\n"}), [])
        self.assertEqual(len(self.problems(check_sizes, long_file | {listed: "file-lines a.cpp\n"})), 2)
        self.assertIn("no longer needed", self.problems(check_sizes, {"a.cpp": "", listed: "file-lines a.cpp because x\n"})[0])

    def test_licences(self) -> None:
        self.assertEqual(self.problems(check_licences, {"a.cpp": MIT}), [])
        self.assertEqual(len(self.problems(check_licences, {"a.cpp": "int x;\n"})), 1)
        gpl = "# SPDX-License-Identifier: GPL-2.0-only\n"
        self.assertEqual(len(self.problems(check_licences, {"a.py": gpl})), 1)
        self.assertEqual(self.problems(check_licences, {"guest-linux-patches/a.py": gpl}), [])
        self.assertEqual(len(self.problems(check_licences, {"a.S": "// SPDX-License-Identifier: BSD-2-Clause\n"})), 1)

    def test_dependencies(self) -> None:
        headers = {f"hypervisor/{name}/x.hpp": MIT for name in ("lib", "core/mm", "port", "arch/x86_64/cpu")}
        headers |= {"hypercalls/dispatch/caller.hpp": MIT, "hypercalls/abi/xen.hpp": MIT}
        allowed = {
            "hypervisor/core/mm/a.cpp": "#include <lib/x.hpp>\n#include <port/x.hpp>\n#include <hypercalls/abi/xen.hpp>\n",
            "hypercalls/handlers/b.cpp": "#include <core/mm/x.hpp>\n#include <hypercalls/dispatch/caller.hpp>\n",
            "hypervisor/arch/x86_64/c.cpp": "#include <core/mm/x.hpp>\n#include <hypercalls/dispatch/caller.hpp>\n",
            "toolstack/libvm/d.cpp": "#include <lib/x.hpp>\n#include <vector>\n#include <libvm/y.hpp>\n",
        }
        self.assertEqual(self.problems(check_dependencies, headers | allowed), [])
        forbidden = {
            "hypervisor/lib/a.cpp": "#include <core/mm/x.hpp>\n",
            "hypervisor/core/b.cpp": "#include <arch/x86_64/cpu/x.hpp>\n",
            "hypervisor/core/c.cpp": "#include <hypercalls/dispatch/caller.hpp>\n",
            "hypercalls/handlers/d.cpp": '#include "../../hypervisor/arch/x86_64/cpu/x.hpp"\n',
            "toolstack/e.cpp": "#include <core/mm/x.hpp>\n",
            "xenstore-like/f.cpp": '#include "hypervisor/core/mm/x.hpp"\n',
        }
        for name, text in forbidden.items():
            self.assertEqual(len(self.problems(check_dependencies, headers | {name: text})), 1, name)

    def test_paths(self) -> None:
        self.assertEqual(len(self.problems(check_paths, {"a.md": "see /home/" + "jane/x\n"})), 1)
        self.assertEqual(self.problems(check_paths, {"a.md": "see $HOME/x, /home/$USER/x and lib/home/x\n"}), [])

    def test_placeholders(self) -> None:
        self.assertEqual(len(self.problems(check_placeholders, {"a.cpp": "// TO" + "DO: later\n"})), 1)
        self.assertEqual(self.problems(check_placeholders, {"a.cpp": "int todo;\n"}), [])

    def test_python_types(self) -> None:
        self.assertEqual(self.problems(check_python, {"a.py": "def f(x: int) -> int:\n    return x\n"}), [])
        self.assertEqual(len(self.problems(check_python, {"a.py": "def f(x) -> int:\n    return x\n"})), 1)
        self.assertEqual(len(self.problems(check_python, {"a.py": "def f(x: int):\n    return x\n"})), 1)
        self.assertEqual(len(self.problems(check_python, {"a.py": "def f(:\n"})), 1)

    def test_options(self) -> None:
        kconfig = "config FAST\n\tbool\nchoice\nconfig RED\n\tbool\nconfig BLUE\n\tbool\nendchoice\n"
        used = {"hypervisor/a.cpp": "config::kFast config::kRed\n"}
        self.assertEqual(self.problems(check_options, {"hypervisor/Kconfig": kconfig} | used), [])
        self.assertEqual(len(self.problems(check_options, {"hypervisor/Kconfig": kconfig})), 3)
        unknown = {"hypervisor/b.cpp": "config::kGone\n"}
        self.assertIn("kGone", self.problems(check_options, {"hypervisor/Kconfig": kconfig} | used | unknown)[0])

    def test_generated(self) -> None:
        registry = "tests/lint/generated.txt"
        files = {registry: "a.md: echo hello\n", "a.md": "hello\n"}
        self.assertEqual(self.problems(check_generated, files), [])
        self.assertIn("out of date", self.problems(check_generated, files | {"a.md": "bye\n"})[0])
        self.assertIn("missing", self.problems(check_generated, {registry: "a.md: echo hello\n"})[0])
        self.assertIn("ended with 1", self.problems(check_generated, {registry: "a.md: false\n", "a.md": ""})[0])

    def test_every_check_is_listed(self) -> None:
        self.assertGreaterEqual(len(CHECKS), 8)


if __name__ == "__main__":
    unittest.main()
