"""Tools of other people: what tools/README.md says is done as it stands, and a component in JavaScript is a tool like any other.

The second is skipped where `make test-js` has not built it (CLOISTER_JS_TOOL names its folder).
"""
import json
import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from home import BIN, DONE, FAILED, PROJECT, Case, clean_env, plain_home

README = PROJECT / "tools/README.md"
MANIFEST = {"agent": "reader", "version": "1.0", "ttl_seconds": 600,
            "capabilities": [{"name": "file:read", "paths": ["*.txt"], "description": "Read the poems"},
                             {"name": "tool:use", "tools": ["hello-js"], "description": "Only this tool"}]}


@unittest.skipUnless(shutil.which("cargo"), "cargo is not installed")
class Readme(Case):
    def test_its_commands_make_test_add_and_run_a_tool(self):
        home = plain_home().copy(self.folder / "home")
        script = "\n".join(re.findall(r"^```sh\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
        self.assertIn("tools new", script)
        env = clean_env() | {"CLOISTER_HOME": str(home.path), "PATH": f"{BIN.parent}:{os.environ['PATH']}"}
        env.pop("CARGO_TARGET_DIR", None)
        done = subprocess.run(["bash", "-euc", script], cwd=self.folder, env=env, capture_output=True, text=True, timeout=900, check=False)
        self.assertEqual(done.returncode, DONE, done.stdout[-2000:] + done.stderr[-2000:])
        self.assertIn("line: 2, characters: 23", done.stdout)
        self.assertIn("line-length.longest", done.stdout)
        # Only the package was copied, not its sources; what it was compiled to lies beside it.
        files = {"tool.wasm", "tool.toml", "line-length.wit", "tool.cwasm"}
        self.assertEqual({p.name for p in (home.path / "tools/line-length").iterdir()}, files)
        self.assert_sound(home)


class New(Case):
    def test_what_is_there_is_not_touched_and_a_name_is_no_path(self):
        (self.folder / "mine").mkdir()
        for name in ("mine", "../other", "Mine"):
            run = plain_home().call("tools", "new", name, cwd=self.folder)
            self.assert_code(run, FAILED)
            self.assert_clear(run, name)
        self.assertEqual([p.name for p in self.folder.iterdir()], ["mine"])
        self.assertEqual(list((self.folder / "mine").iterdir()), [])


class Add(Case):
    """Listing reads each package that is pinned and holds it against its pin; to verify them compiles all of them, and is tested with the commands."""

    def setUp(self):
        super().setUp()
        self.home = plain_home().copy(self.folder / "home")
        self.package = self.folder / "text"
        shutil.copytree(self.home.path / "tools/text", self.package)

    def test_what_is_installed_is_not_added_from_there(self):
        run = self.home.call("tools", "add", self.home.path / "tools/text")
        self.assert_code(run, FAILED)
        self.assert_clear(run, "tools/text")
        self.home.must("tools", "list")

    def test_what_a_crash_left_unpinned_is_mended_by_adding_again(self):
        shutil.rmtree(self.home.path / "tools/text")
        self.assertNotEqual(self.home.call("tools", "list").code, DONE)
        self.home.must("tools", "add", self.package)
        self.home.must("tools", "verify")

    def test_an_unsound_package_leaves_the_old_one(self):
        (self.package / "tool.wasm").write_bytes(b"no component")
        self.assertNotEqual(self.home.call("tools", "add", self.package).code, DONE)
        self.home.must("tools", "list")

    def test_a_pipe_in_a_strangers_package_is_not_waited_for(self):
        (self.package / "tool.toml").unlink()
        os.mkfifo(self.package / "tool.toml")
        for args in (("inspect", self.package / "tool.wasm"), ("add", self.package)):
            run = self.home.call("tools", *args)
            self.assertNotEqual(run.code, DONE)
            self.assert_clear(run, "tool.toml")
        self.home.must("tools", "list")


@unittest.skipUnless(os.environ.get("CLOISTER_JS_TOOL"), "make test-js builds the tool in JavaScript first")
class JavaScript(Case):
    def test_it_is_listed_planned_with_judged_run_and_recorded(self):
        home = plain_home().copy(self.folder / "home")
        home.must("tools", "add", Path(os.environ["CLOISTER_JS_TOOL"]))
        (listed,) = [tool for tool in home.must("--json", "tools", "list").doc if tool["name"] == "hello-js"]
        self.assertEqual([f["name"] for f in listed["functions"]], ["hello-js.shortest"])
        work = self.folder / "poems"
        work.mkdir()
        (work / "poem.txt").write_text("longer\nit\n\nthe longest of all\n", encoding="utf-8")
        (work / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
        run = home.run(work, "Which line of poem.txt is the shortest?", unattended=())
        self.assert_code(run, DONE)
        self.assertEqual([step["tool"] for step in run.doc["plan"]["steps"]], ["hello-js.shortest"])
        self.assertEqual([d["decision"] for d in run.doc["decisions"]], ["permit"])
        self.assertIn("line: 2, characters: 2", run.doc["answer"])
        kinds = [entry["kind"] for entry in home.entries()]
        self.assertLess(kinds.index("call-intent"), kinds.index("call-outcome"))
        self.assert_sound(home)

    def test_its_failure_names_the_file(self):
        home = plain_home().copy(self.folder / "home")
        home.must("tools", "add", Path(os.environ["CLOISTER_JS_TOOL"]))
        work = self.folder / "poems"
        work.mkdir()
        (work / "poem.txt").write_bytes(b"\xff\xfe\xfd")
        (work / "manifest.json").write_text(json.dumps(MANIFEST), encoding="utf-8")
        run = home.run(work, "Which line of poem.txt is the shortest?", unattended=())
        self.assert_code(run, FAILED)
        self.assertIn("`poem.txt` is not a text", run.doc["answer"])


if __name__ == "__main__":
    unittest.main()
