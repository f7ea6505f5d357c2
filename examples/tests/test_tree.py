"""What each program is made of, as cargo sees it: no network in the agent, no TPM library in the verifier, no parser of documents in the host."""
import os
import re
import shutil
import subprocess
import unittest

from home import PROJECT

NETWORK = {"curl", "curl-sys", "h2", "hf-hub", "hickory-resolver", "hyper", "hyper-util", "isahc", "mio", "native-tls", "openssl", "openssl-sys", "quinn",
           "reqwest", "rustls", "socket2", "tokio", "tungstenite", "ureq", "wasi-http", "wasmtime-wasi", "wasmtime-wasi-http"}
PARSERS = {"calamine", "quick-xml", "rust_xlsxwriter", "umya-spreadsheet", "lopdf", "html5ever", "mail-parser", "scraper", "pdf", "docx-rs"}


def tree(package):
    """The names of the crates that end up in a package's program."""
    listed = subprocess.run(
        ["cargo", "tree", "--locked", "--package", package, "--edges", "normal", "--prefix", "none", "--format", "{p}"],
        cwd=PROJECT, env=os.environ, capture_output=True, text=True, check=True).stdout
    return {line.split()[0] for line in listed.splitlines() if line.strip()}


@unittest.skipUnless(shutil.which("cargo"), "cargo is not installed")
class Tree(unittest.TestCase):
    def test_the_agent_links_no_network_crate(self):
        crates = tree("cloister")
        self.assertIn("cloister-policies", crates)
        self.assertEqual(crates & NETWORK, set())

    def test_the_fetcher_does(self):
        """The twin of the test above: the same list finds what it looks for where it is."""
        self.assertTrue(tree("cloister-fetch") & NETWORK)

    def test_the_verifier_links_neither_network_nor_tpm_nor_engine(self):
        crates = tree("cloister-verify")
        self.assertIn("cloister-attest", crates)
        self.assertEqual(crates & (NETWORK | {"tss-esapi", "tss-esapi-sys", "candle-core", "wasmtime", "regorus"}), set())

    def test_no_parser_of_documents_is_in_the_hosts_lock_file(self):
        names = set(re.findall(r'^name = "(.+)"$', (PROJECT / "Cargo.lock").read_text(encoding="utf-8"), re.MULTILINE))
        self.assertEqual(names & PARSERS, set())
        guests = (PROJECT / "tools/guests/Cargo.lock").read_text(encoding="utf-8")
        self.assertIn('name = "calamine"', guests)


if __name__ == "__main__":
    unittest.main()
