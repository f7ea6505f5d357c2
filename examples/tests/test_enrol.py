"""Enrolment over two trips of a stick, between a device with a TPM that its maker certified and an admin's machine without one."""
import functools
import hashlib
import json
import os
import shutil
import subprocess
import unittest

from home import DONE, FAILED, INTEGRITY, Case, Tpm, letters, plain_home, scratch
from test_checker import other, ours
from test_attest import sized


@functools.cache
def maker():
    """A maker of TPMs (swtpm's local authority) and the states of two TPMs that it certified."""
    folder = scratch() / "maker"
    (folder / "ca").mkdir(parents=True)
    ca = folder / "ca"
    (folder / "ca.conf").write_text(f"statedir = {ca}\nsigningkey = {ca}/signkey.pem\nissuercert = {ca}/issuercert.pem\ncertserial = {ca}/serial\n", encoding="utf-8")
    (folder / "options").write_text("--platform-manufacturer Test\n--platform-version 1\n--platform-model desk\n", encoding="utf-8")
    tool = shutil.which("swtpm_localca")
    (folder / "setup.conf").write_text(
        f"create_certs_tool = {tool}\ncreate_certs_tool_config = {folder}/ca.conf\ncreate_certs_tool_options = {folder}/options\n", encoding="utf-8")
    states = [folder / "one", folder / "two"]
    for state in states:
        state.mkdir()
        command = ["swtpm_setup", "--tpm2", "--tpmstate", state, "--create-ek-cert", "--config", folder / "setup.conf", "--overwrite"]
        subprocess.run(command, check=True, capture_output=True)
    return ca / "issuercert.pem", ca / "swtpm-localca-rootca-cert.pem", states


@unittest.skipUnless(shutil.which("swtpm_setup") and shutil.which("swtpm_localca"), "swtpm-tools is not installed")
class Enrolment(Case):
    def setUp(self):
        super().setUp()
        self.issuer, self.root, (one, two) = maker()
        self.tpm, self.another = (self.turned_on(state) for state in (one, two))
        self.admin = plain_home().copy(self.folder / "admin")
        self.device = self.device_with(self.tpm, "device")

    def turned_on(self, state):
        tpm = Tpm(state)
        self.addCleanup(tpm.stop)
        return tpm

    def device_with(self, tpm, name):
        """A home of the same admin, who keeps the key elsewhere."""
        home = plain_home().copy(self.folder / name)
        (home.path / "admin/admin.key").unlink()
        home.tpm = tpm
        return home

    def asked(self, home=None):
        request = self.folder / "request.json"
        (home or self.device).must("attest", "enroll", "--request", request)
        return request

    def test_asking_again_makes_no_second_counter(self):
        first, again = (json.loads(self.asked().read_text(encoding="utf-8"))["counter"] for _ in range(2))
        self.assertEqual(first, again)
        other = self.device_with(self.tpm, "other")
        self.assertNotEqual(json.loads(self.asked(other).read_text(encoding="utf-8"))["counter"], first)
        kept = self.device.path / "attest/counter.json"
        changed = json.loads(kept.read_text(encoding="utf-8"))
        kept.write_text(json.dumps(changed | {"value": changed["value"] + 1}), encoding="utf-8")  # somebody has used it
        self.assertNotEqual(json.loads(self.asked().read_text(encoding="utf-8"))["counter"], first)

    def test_a_copied_home_does_not_take_the_counter_of_the_one_that_it_was_copied_from(self):
        first = json.loads(self.asked().read_text(encoding="utf-8"))["counter"]
        copy = self.device.copy(self.folder / "copy")
        run = copy.must("attest", "enroll", "--request", self.folder / "request.json")
        self.assertIn(f"made for the home at `{self.device.path.resolve()}`", run.err)
        self.assertNotEqual(json.loads((self.folder / "request.json").read_text(encoding="utf-8"))["counter"], first)
        self.assertEqual(json.loads(self.asked().read_text(encoding="utf-8"))["counter"], first, "the first home lost its own")
        copied = self.device.path / "attest/counter.json"
        copied.write_text(json.dumps({name: value for name, value in json.loads(copied.read_text(encoding="utf-8")).items() if name != "made_for"}), encoding="utf-8")
        self.assertNotEqual(json.loads(self.asked().read_text(encoding="utf-8"))["counter"], first, "a file of an older version was believed")

    def challenged(self, request, code=DONE, trusting=None):
        challenge, keep = self.folder / "challenge.json", self.folder / "keep.json"
        for old in (challenge, keep):
            old.unlink(missing_ok=True)
        trusting = trusting or ("--makers", self.issuer)
        run = self.admin.call("attest", "challenge", request, *trusting, "--out", challenge, "--keep", keep)
        self.assert_code(run, code)
        self.assertEqual(challenge.exists() and keep.exists(), code == DONE)
        return challenge, keep

    def activated(self, challenge, code=DONE, home=None):
        answer = self.folder / "answer.json"
        self.assert_code((home or self.device).call("attest", "activate", challenge, "--out", answer), code)
        return answer

    def accepted(self, answer, keep, code=DONE):
        enrolment = self.folder / "enrolment"
        enrolment.unlink(missing_ok=True)
        self.assert_code(self.admin.call("attest", "accept", answer, "--keep", keep, "--out", enrolment), code)
        self.assertEqual(enrolment.exists(), code == DONE)
        return enrolment

    def enrolled(self, **how):
        challenge, keep = self.challenged(self.asked(), **how)
        return self.accepted(self.activated(challenge), keep)

    def keys(self, home):
        return json.loads((home.path / "keys/roots.json").read_text(encoding="utf-8"))["keys"]

    def test_a_device_is_enrolled_whose_admin_never_stood_at_it(self):
        enrolment = self.enrolled()
        self.assertFalse((self.device.path / "admin/admin.key").exists())
        self.device.must("attest", "install", enrolment)
        (entry,) = self.keys(self.admin)
        self.assertEqual(self.keys(self.device), [entry])
        self.assertEqual((entry["how"], entry["kind"]), ("credential-activated", "tpm2-software"))
        self.assertIn("tpm2-software", self.device.must("attest", "status").out)
        # A session by it is attested for the auditor, who has the admin's roots; and for the second verifier.
        self.device.run(letters(self.folder / "letters"), "What is the weather?", unattended=())
        roots = self.admin.path / "keys/roots.json"
        self.assertEqual(other(self.device.ledger, roots), ours(self.device.ledger, roots))
        self.assertEqual(ours(self.device.ledger, roots)["verdict"], "sound")
        self.assertEqual(ours(self.device.ledger, plain_home().path / "keys/roots.json")["verdict"], "unanchored")

    def test_the_chain_may_be_given_up_to_its_root(self):
        request = self.asked()
        self.challenged(request, INTEGRITY, ("--makers", self.root))
        self.challenged(request, DONE, ("--makers", self.root, "--between", self.issuer))

    def test_without_a_certificate_it_takes_the_admins_word(self):
        bare = self.turned_on(None)
        device = self.device_with(bare, "bare")
        request = self.asked(device)
        self.challenged(request, FAILED)
        challenge, keep = self.challenged(request, DONE, ("--pinned-in-person",))
        enrolment = self.accepted(self.activated(challenge, home=device), keep)
        device.must("attest", "install", enrolment)
        (entry,) = self.keys(device)
        self.assertEqual((entry["how"], "ek" in entry), ("pinned-in-person", False))

    def test_another_tpms_endorsement_is_of_no_use(self):
        """The certified TPM is in a drawer; the attestation key is another one's, here a simulator's whose owner holds its state."""
        mine, theirs = (json.loads(self.asked(home).read_text(encoding="utf-8")) for home in (self.device, self.device_with(self.another, "another")))
        request = self.folder / "mixed.json"
        request.write_text(json.dumps({**theirs, "ek": mine["ek"]}), encoding="utf-8")
        self.challenged(request, INTEGRITY)  # a certificate of another key
        request.write_text(json.dumps({**theirs, "ek": mine["ek"], "certificate": mine["certificate"]}), encoding="utf-8")
        challenge, keep = self.challenged(request)  # which nothing in the request itself gives away
        another = self.device_with(self.another, "once-more")
        for home in (self.device, another):
            self.activated(challenge, INTEGRITY, home)
        self.assertTrue(keep.exists())

    def test_an_attestation_key_that_signs_anything_is_refused(self):
        request = json.loads(self.asked().read_text(encoding="utf-8"))
        ak = bytearray.fromhex(request["ak"])
        ak[5] ^= 1  # restricted
        file = self.folder / "forged.json"
        file.write_text(json.dumps({**request, "ak": ak.hex()}), encoding="utf-8")
        self.challenged(file, INTEGRITY)

    def test_an_answer_counts_once_and_for_its_own_challenge(self):
        request = self.asked()
        challenge, keep = self.challenged(request)
        answer = self.activated(challenge)
        kept = keep.read_bytes()
        self.accepted(answer, keep)
        self.assertFalse(keep.exists())
        self.accepted(answer, keep, FAILED)
        _, later = self.challenged(request)
        self.accepted(answer, later, INTEGRITY)
        later.write_bytes(kept)  # the twin: it is the forgetting that refuses it
        self.accepted(answer, later)

    def test_only_what_the_admin_signed_for_this_machine_is_installed(self):
        enrolment = self.enrolled()
        self.assert_code(self.device_with(self.another, "another").call("attest", "install", enrolment), INTEGRITY)
        text = enrolment.read_text(encoding="utf-8")
        enrolment.write_text(text.replace("tpm2-software", "tpm2-hardware"), encoding="utf-8")
        self.assert_code(self.device.call("attest", "install", enrolment), INTEGRITY)
        self.assertEqual(self.keys(self.device), [])
        enrolment.write_text(text, encoding="utf-8")
        self.device.must("attest", "install", enrolment)

    @unittest.skipUnless(shutil.which("tpm2_createek") and shutil.which("openssl"), "tpm2-tools or openssl is not installed")
    def test_an_endorsement_key_on_p256_is_taken_too(self):
        """Its certificate is issued here, by a maker of ours on the same curve."""
        bare = self.turned_on(None)
        device = self.device_with(bare, "bare")
        (self.folder / "extensions").write_text("basicConstraints = critical, CA:FALSE\nextendedKeyUsage = 2.23.133.8.1\n", encoding="utf-8")
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (
            ["tpm2_createek", "-G", "ecc256", "-c", "ek.ctx", "-u", "ek.pem", "-f", "pem"],
            ["tpm2_flushcontext", "-t"],
            ["openssl", "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=maker", "-days", "30"],
            ["openssl", "req", "-new", *curve, "-keyout", "other.key", "-out", "ek.csr", "-subj", "/CN=tpm"],
            ["openssl", "x509", "-req", "-in", "ek.csr", "-force_pubkey", "ek.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "30",
             "-extfile", "extensions", "-outform", "DER", "-out", "ek.der"],
            ["tpm2_nvdefine", "0x01c0000a", "-C", "o", "-s", "1024", "-a", "ownerread|authread|ownerwrite|authwrite"],  # longer than the certificate, as some makers do
            ["tpm2_nvwrite", "0x01c0000a", "-C", "o", "-i", "ek.der"],
        ):
            done = subprocess.run(command, cwd=self.folder, env=os.environ | {"TPM2TOOLS_TCTI": bare.tcti}, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, f"{command}: {done.stderr}")
        request = self.asked(device)
        self.assertTrue(json.loads(request.read_text(encoding="utf-8"))["ek"].startswith("0023"))
        self.challenged(request, INTEGRITY)  # by the other maker
        challenge, keep = self.challenged(request, DONE, ("--makers", self.folder / "ca.pem"))
        self.activated(challenge, INTEGRITY, self.device)
        self.accepted(self.activated(challenge, home=device), keep)

    @unittest.skipUnless(shutil.which("tpm2_makecredential"), "tpm2-tools is not installed")
    def test_what_tpm2_tools_makes_is_activated_too(self):
        request = json.loads(self.asked().read_text(encoding="utf-8"))
        (self.folder / "ek").write_bytes(sized(bytes.fromhex(request["ek"])))
        (self.folder / "secret").write_bytes(bytes(range(32)))
        name = "000b" + hashlib.sha256(bytes.fromhex(request["ak"])).hexdigest()
        subprocess.run(["tpm2_makecredential", "-T", "none", "-u", "ek", "-s", "secret", "-n", name, "-o", "credential"],
                       cwd=self.folder, check=True, capture_output=True)
        made = (self.folder / "credential").read_bytes()[8:]  # after magic and version
        size = int.from_bytes(made[:2], "big")
        credential, secret = made[2:2 + size], made[4 + size:]
        challenge, keep = self.challenged(self.folder / "request.json")
        made_here = json.loads(challenge.read_text(encoding="utf-8"))
        challenge.write_text(json.dumps({**made_here, "credential": credential.hex(), "secret": secret.hex()}), encoding="utf-8")
        kept = json.loads(keep.read_text(encoding="utf-8"))
        keep.write_text(json.dumps({**kept, "secret": bytes(range(32)).hex()}), encoding="utf-8")
        self.accepted(self.activated(challenge), keep)


if __name__ == "__main__":
    unittest.main()
