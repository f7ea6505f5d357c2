#!/usr/bin/env python3
"""A second verifier, written from SPEC.md and sharing no code with the first, to keep it honest. Slow: some thousand entries a second.

usage: check.py LEDGER ROOTS.json [CHALLENGE [ANSWER]]     LEDGER a folder or one of tiles, CHALLENGE in hex, ANSWER the file with which the device answered it
Prints one line of JSON: the verdict, for a tampered ledger the first bad entry, file and byte, and what was good before. Exits with the
codes of SPEC.md section 11. Python's standard library is all that it needs.
"""
import base64
import hashlib
import json
import re
import sys
from pathlib import Path

LINE = 1 << 20  # the longest line, bytes
ZERO = "sha256:" + "0" * 64
KINDS = ("none", "tpm2-software", "tpm2-hardware")
NOT_AFTER = {"request", "plan", "decision", "call-intent", "consent", "release", "discard", "shred"}


class Fault(Exception):
    """What makes a line, a file or the roots unacceptable."""


class Unsigned(Fault):
    """A line that no signature vouches for: its number, the byte where it begins, and the hash of the line before."""


def need(holds, what):
    if not holds:
        raise Fault(what)


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def digest(*parts):
    return "sha256:" + sha256(*parts).hex()


# Canonical JSON: section 2.


def no_float(text):
    raise Fault(f"the number {text}")


def pairs(items):
    found = dict(items)
    need(len(found) == len(items), "a key twice")
    return found


def parse(data):
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=no_float, parse_constant=no_float)
    except (ValueError, RecursionError) as error:
        raise Fault(str(error)) from error


def canonical(value):
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return b"{" + b",".join(canonical(key) + b":" + canonical(value[key]) for key in keys) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(canonical, value)) + b"]"
    try:
        return json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Fault("half a surrogate pair") from error


# Shapes: what each field may be. A name that ends in `?` may be absent.


def matching(pattern):
    whole = re.compile(pattern)
    return lambda value: isinstance(value, str) and whole.fullmatch(value)


def one_of(*words):
    return lambda value: isinstance(value, str) and value in words


def text(value):
    return isinstance(value, str)


def number(value):
    return type(value) is int and 0 <= value < 1 << 53


def listed(shape):
    return lambda value: isinstance(value, list) and all(fits(shape, item) for item in value)


def fits(shape, value):
    if callable(shape):
        return shape(value)
    if not isinstance(value, dict) or not set(value) <= {name.rstrip("?") for name in shape}:
        return False
    return all(fits(what, value[name.rstrip("?")]) if name.rstrip("?") in value else name.endswith("?") for name, what in shape.items())


HEX = "[0-9a-f]"
DIGEST, COMMITMENT, KEY, SIGNATURE, SESSION = (matching(p) for p in (f"sha256:{HEX}{{64}}", f"commit:{HEX}{{64}}", f"ed25519:{HEX}{{64}}", f"{HEX}{{128}}", f"{HEX}{{16}}"))
BYTES = matching(f"({HEX}{{2}})*")
CHANGE = {"op": one_of("create", "replace", "move", "delete"), "path": text, "to?": text, "before?": DIGEST, "after?": DIGEST, "terms": DIGEST}
STATEMENT = {
    "proto": one_of("cloister-session/v1", "cloister-session/v2", "cloister-session/v3"), "admin": KEY, "session_id": SESSION, "session_pub": KEY, "runtime": DIGEST, "model": DIGEST, "policy": DIGEST,
    "manifest": DIGEST, "tools": DIGEST, "ledger": {"head": DIGEST, "size": number}, "not_after": number, "device": text, "challenge?": matching(f"({HEX}{{2}}){{1,64}}"),
}
QUOTE = {"ak": BYTES, "attest": BYTES, "sig": SIGNATURE, "pcrs": listed({"index": number, "sha256": DIGEST})}


def evidence(value):
    if isinstance(value, dict) and value.get("kind") == "none":
        return fits({"kind": text, "reason": text}, value)
    return fits({"kind": one_of(*KINDS[1:]), "quote": QUOTE}, value)


def content(value):
    return DIGEST(value) or COMMITMENT(value)


BODIES = {
    "session-start": {"statement": STATEMENT, "evidence": evidence, "agent": text, "agent_version": text, "model": text, "user": text, "confinement": text, "unattended?": text},
    "recovery": {"unended": listed({"session": SESSION, "last": number, "open": listed(number)}), "torn": listed({"file": text, "sha256": DIGEST, "bytes": number})},
    "request": {"intent": text},
    "plan": {"hash": DIGEST, "steps": listed({"id": text, "tool": text, "args": content, "open?": lambda value: listed(text)(value) and value})},
    "decision": {"step": text, "decision": one_of("permit", "ask", "forbid"), "rule": text, "reason": text},
    "call-intent": {"step": text, "tool": text, "component": DIGEST, "args": content, "resources": listed({"op": text, "path": text, "sha256?": DIGEST})},
    "call-outcome": {"step": text, "outcome": text, "output?": content, "read?": listed({"path": text, "sha256": DIGEST, "bytes": number})},
    "effects": {"hash": DIGEST, "changes": listed(CHANGE)},
    "consent": {"effects": DIGEST, "by": one_of("person", "policy", "nobody", "remembered"), "answer": one_of("allow", "decline", "unasked"), "rule?": text},
    "release": {"effects": DIGEST},
    "released": {"effects": DIGEST, "files": listed({"path": text, "sha256": DIGEST, "bytes": number})},
    "discard": {"id": text, "change?": CHANGE},
    "shred": {"session": SESSION},
    "refusal": {"what": text, "rule": text, "reason": text},
    "interrupted": {"stage": text, "reason": text},
    "note": {"about": text, "text": text},
    "anchor": {"attest": BYTES, "sig": SIGNATURE},
    "rotate": {"epoch": number, "next": KEY},
    "session-end": {"outcome": text, "entries": number},
}
ENTRY = {"v": number, "seq": number, "prev": DIGEST, "ts": number, "session": SESSION, "att": one_of(*KINDS), "kind": one_of(*BODIES), "sig": SIGNATURE}
ROOTS = {
    "v": number, "admin": KEY, "accept": listed(one_of(*KINDS[1:])),
    "keys": listed({"device": text, "name": BYTES, "public": BYTES, "kind": one_of(*KINDS[1:]), "pcrs": listed(number), "how": one_of("pinned-in-person", "credential-activated"), "ek?": BYTES, "counter?": number}),
    "witnesses?": listed(matching(r"[!-*,-~]{1,64}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}")),
}

ANSWER = {"ak": BYTES, "attest": BYTES, "challenge": BYTES, "proto": one_of("cloister-counter/v1"), "sig": SIGNATURE}

# Ed25519, strict (RFC 8032; section 1).

P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ONE = (0, 1)


def edwards_add(a, b):
    (x, y), (u, v) = a, b
    product = D * x * u * y * v % P
    return (x * v + y * u) * pow(1 + product, -1, P) % P, (y * v + x * u) * pow(1 - product, -1, P) % P


def times(add, zero, scalar, point):
    total = zero
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point, scalar = add(point, point), scalar >> 1
    return total


def edwards(data):
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    need(y < P, "a point that is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - square) % P == 0 and (x or not sign), "no point of the curve")
    point = (x if x & 1 == sign else P - x, y)
    need(times(edwards_add, ONE, 8, point) != ONE, "a point of small order")
    return point


BASE = edwards((4 * pow(5, -1, P) % P).to_bytes(32, "little"))


def check_signature(public, message, signature):
    key, r, s = bytes.fromhex(public.removeprefix("ed25519:")), signature[:32], int.from_bytes(signature[32:], "little")
    need(s < L, "a signature that is not canonical")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    expected = edwards_add(edwards(r), times(edwards_add, ONE, k, edwards(key)))
    need(times(edwards_add, ONE, s, BASE) == expected, "a signature that does not hold")


# ECDSA on P-256 (FIPS 186-5) and the quote: section 7.

Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296, 0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)


def p256_add(a, b):
    if a is None or b is None:
        return a or b
    (x, y), (u, v) = a, b
    if x == u and (y + v) % Q == 0:
        return None
    slope = (3 * x * x - 3) * pow(2 * y, -1, Q) if a == b else (v - y) * pow(u - x, -1, Q)
    over = (slope * slope - x - u) % Q
    return over, (slope * (x - over) - y) % Q


class Fields:
    """The fields of a TPM structure, one after the other."""

    def __init__(self, data):
        self.data = data

    def take(self, size):
        need(len(self.data) >= size, "a structure that ends early")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def int(self, size):
        return int.from_bytes(self.take(size), "big")

    def sized(self):
        return self.take(self.int(2))

    def end(self):
        need(not self.data, "bytes left over")


def attestation_key(ak):
    fields = Fields(ak)
    need((fields.int(2), fields.int(2)) == (0x0023, 0x000B), "no ECC key named with SHA-256")
    need(fields.int(4) & 0x70032 == 0x50032, "a key that may sign what did not come from the TPM")
    fields.sized()
    parameters = tuple(fields.int(2) for _ in range(5))
    need(parameters == (0x0010, 0x0018, 0x000B, 0x0003, 0x0010), "no key for ECDSA with SHA-256 on P-256")
    x, y = fields.sized(), fields.sized()
    fields.end()
    need(len(x) <= 32 and len(y) <= 32, "long coordinates")
    x, y = int.from_bytes(x, "big"), int.from_bytes(y, "big")
    need(x < Q and y < Q and (y * y - x**3 + 3 * x - B) % Q == 0, "no point of P-256")
    return x, y


def check_attest(ak, attest, signature):
    key, (r, s) = attestation_key(ak), (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    need(0 < r < N and 0 < s < N, "a signature out of range")
    w, z = pow(s, -1, N), int.from_bytes(sha256(attest), "big")
    point = p256_add(times(p256_add, None, z * w % N, G), times(p256_add, None, r * w % N, key))
    need(point and point[0] % N == r, "the TPM's signature does not hold")


def read_anchor(body, qualifying):
    """Section 14; gives the counter's name and value. The signature is `check_attest`'s."""
    fields = Fields(bytes.fromhex(body["attest"]))
    need((fields.int(4), fields.int(2)) == (0xFF544347, 0x8014), "no certificate of a counter")
    fields.sized()
    extra, _, name, offset, value = fields.sized(), fields.take(25), fields.sized(), fields.int(2), fields.sized()
    fields.end()
    need(extra == qualifying and offset == 0 and len(value) == 8, "no whole counter, or over something else")
    return name, int.from_bytes(value, "big")


def counter_name(index):
    return b"\x00\x0b" + sha256(index.to_bytes(4, "big") + bytes.fromhex("000b2204001400000008"))


def read_answer(data, challenge):
    """Section 14: the name of the key that answered, the counter's name and its value."""
    answer = parse(data)
    need(fits(ANSWER, answer) and canonical(answer) == data and answer["challenge"] == challenge, "no answer to the challenge")
    ak = bytes.fromhex(answer["ak"])
    counter, value = read_anchor(answer, sha256(b"counter-challenge/v1\0", bytes.fromhex(challenge)))
    check_attest(ak, bytes.fromhex(answer["attest"]), bytes.fromhex(answer["sig"]))
    return key_name(ak), counter, value


def check_quote(quote, qualifying):
    """Checks 1 to 5; gives the key's name and its counts of resets and restarts."""
    ak, attest, signature = (bytes.fromhex(quote[name]) for name in ("ak", "attest", "sig"))
    check_attest(ak, attest, signature)
    fields = Fields(attest)
    need((fields.int(4), fields.int(2)) == (0xFF544347, 0x8018), "no quote of a TPM")
    fields.sized()
    extra, _, resets = fields.sized(), fields.take(8), (fields.int(4), fields.int(4))
    fields.take(9)  # whether the clock is safe, and the firmware's version
    need((fields.int(4), fields.int(2)) == (1, 0x000B), "not one selection of the SHA-256 bank")
    size = fields.int(1)
    need(size <= 4, "a selection that is too long")
    chosen = int.from_bytes(fields.take(size), "little")
    found = fields.sized()
    fields.end()
    need(extra == qualifying, "a quote over another statement")
    indices = [pcr["index"] for pcr in quote["pcrs"]]
    need(indices == [bit for bit in range(chosen.bit_length()) if chosen >> bit & 1], "other PCRs than those quoted")
    need(found == sha256(*(bytes.fromhex(pcr["sha256"][7:]) for pcr in quote["pcrs"])), "other values than those quoted")
    return b"\x00\x0b" + sha256(ak), resets


def key_name(ak):
    return b"\x00\x0b" + sha256(ak)


def read_roots(data):
    roots = parse(data)
    need(fits(ROOTS, roots) and roots["v"] == 1, "no roots of version 1")
    edwards(bytes.fromhex(roots["admin"][8:]))
    for key in roots["keys"]:
        public, pcrs = bytes.fromhex(key["public"]), key["pcrs"]
        attestation_key(public)
        need(bytes.fromhex(key["name"]) == b"\x00\x0b" + sha256(public), "a name that is not its key's")
        need((re.fullmatch("000b" + HEX + "{64}", key.get("ek", "")) is not None if key["how"] == "credential-activated" else "ek" not in key), "an endorsement key out of place")
        need(0x0180C100 <= key.get("counter", 0x0180C100) <= 0x0180C1FF, "a counter that is none of ours")
        need(pcrs and pcrs == sorted(set(pcrs)) and pcrs[-1] < 24, "PCRs that are not ascending below 24")
    for witness in roots.get("witnesses", []):
        read_witness(witness)
    return roots


class Ledger:
    """The walk over the lines: sections 3 to 8 and 11."""

    def __init__(self, roots, challenge):
        self.roots, self.challenge = roots, challenge
        self.size, self.head, self.byte, self.log, self.version = 0, ZERO, 0, None, 0
        self.start, self.count, self.ts, self.open, self.unsaid = None, 0, 0, [], []
        self.unended, self.torn, self.resets, self.peaks = [], {}, {}, []
        self.sessions = self.attested = 0
        self.anchored, self.fresh, self.doubts = False, False, []
        self.anchors, self.ak, self.last_anchor, self.ends_anchored, self.said = {}, None, None, False, False
        self.public, self.epoch, self.epoch_size, self.epoch_since = None, 0, 0, 0
        self.waiting, self.witnessed = [], {}

    def vouched(self):
        """Section 5: each line of the epoch so far is signed by itself or has a later one that is."""
        unsigned = None
        for *place, public, message, signature in reversed(self.waiting):
            try:
                check_signature(public, message, signature)
                break
            except Fault:
                unsigned = place
        self.waiting = []
        if unsigned:
            raise Unsigned(*unsigned)

    def line(self, line):
        entry = parse(line)
        need(isinstance(entry, dict) and fits(ENTRY | {"body": lambda _: True}, entry), "no entry")
        need(fits(BODIES[entry["kind"]], entry["body"]) and canonical(entry) == line, "an entry that we would not write")
        need((entry["seq"], entry["prev"]) == (self.size, self.head), "an entry that stands elsewhere")
        starts = entry["kind"] == "session-start"
        need(self.version <= entry["v"] <= 3 and (starts and entry["v"] or entry["v"] == self.version), "another version")
        self.version = entry["v"]
        check_contents(entry)
        (self.begin if starts else self.go_on)(entry)
        unsigned = {name: value for name, value in entry.items() if name != "sig"}
        signed = self.public, b"cloister-entry/v1\0" + canonical(unsigned), bytes.fromhex(entry["sig"])
        if starts:
            self.vouched()
            check_signature(*signed)
            self.vouch(entry["body"])
        else:
            self.waiting.append((self.size, self.byte, self.head, *signed))
        if entry["kind"] in ("rotate", "session-end"):
            self.vouched()
        self.ended = entry["kind"] == "session-end"
        if self.ended:
            self.doubts += [f"how entry {seq} went" for seq, _ in self.unsaid]
        self.size, self.head, self.byte = self.size + 1, digest(b"\0", line), self.byte + len(line) + 1
        self.log = self.log or self.head
        self.grow(sha256(b"\0", line))
        self.count, self.ts, self.epoch_size = self.count + 1, entry["ts"], self.epoch_size + 1
        if entry["kind"] == "rotate":
            self.new_epoch(entry["body"]["epoch"], entry["body"]["next"], entry["ts"])

    def begin(self, entry):
        if self.start and not self.ended:
            self.unended.append({"session": self.start["session_id"], "last": self.size - 1, "open": [seq for seq, *_ in self.open]})
        start = entry["body"]["statement"]
        key = bytes.fromhex(start["session_pub"][8:])
        name = sha256(b"cloister-session-id/v1\0", key)[:8].hex()
        need(entry["session"] == start["session_id"] == name, "a session under another name")
        need(start["proto"] == f"cloister-session/v{self.version}", "a statement of another version")
        self.new_epoch(0, start["session_pub"], entry["ts"])
        need(start["ledger"] == {"head": entry["prev"], "size": entry["seq"]}, "a statement about another ledger")
        need(entry["ts"] <= start["not_after"] and entry["body"]["evidence"]["kind"] == entry["att"], "a start that contradicts itself")
        self.cut_short()
        self.ak, self.last_anchor, self.ends_anchored, self.said = None, None, False, False
        if entry["att"] != "none":
            self.ak = bytes.fromhex(entry["body"]["evidence"]["quote"]["ak"])
        self.start, self.att, self.count, self.open, self.unsaid = start, entry["att"], 0, [], []

    def new_epoch(self, number, key, since):
        self.public, self.epoch, self.epoch_size, self.epoch_since = key, number, 0, since

    def check_epoch(self, entry):
        """Section 13."""
        if self.version == 1:
            return need(entry["kind"] != "rotate", "a second key")
        over = self.epoch_size >= 255 or entry["ts"] - self.epoch_since >= 600_000
        need(not over or entry["kind"] == "rotate", "a key that signs for too long")
        if entry["kind"] == "rotate":
            edwards(bytes.fromhex(entry["body"]["next"][8:]))
            need(entry["body"]["epoch"] == self.epoch + 1 and entry["body"]["next"] != self.public, "another epoch than the next")

    def go_on(self, entry):
        kind, body = entry["kind"], entry["body"]
        need(self.start and not self.ended, "an entry between sessions")
        need(entry["session"] == self.start["session_id"] and entry["att"] == self.att, "an entry of another session")
        need(entry["ts"] >= self.ts, "a clock that goes back")
        self.check_epoch(entry)
        need(kind not in NOT_AFTER or entry["ts"] <= self.start["not_after"], "an entry after the session's time")
        need(kind == "recovery" or self.count != 1 or not self.unended, "a recovery that is missing")
        if kind == "recovery":
            need(self.count == 1 and body["unended"] == self.unended, "a recovery that names other sessions")
            self.unended = []
            self.torn |= {torn["file"]: torn["sha256"] for torn in body["torn"]}
        elif kind == "call-intent":
            self.opened(("step", body["step"]), body["resources"])
        elif kind == "consent":
            need(body["by"] != "remembered" or self.version > 1 and "rule" in body, "a remembered answer without a name, or in version 1")
        elif kind == "release":
            self.opened(("effects", body["effects"]), [])
        elif kind in ("call-outcome", "released"):
            if kind == "call-outcome":
                self.check_readings(body)
            closed = ("step", body["step"]) if kind == "call-outcome" else ("effects", body["effects"])
            self.open, self.unsaid = ([one for one in of if one[1] != closed] for of in (self.open, self.unsaid))
        elif kind == "interrupted":
            self.unsaid = []
        self.check_anchors(entry)
        need(kind != "session-end" or body["entries"] == self.count, "a session of another length")

    def grow(self, node):
        """The tree of section 4: the roots of its full subtrees, the largest first."""
        size = self.size - 1
        while size & 1:
            node, size = sha256(b"\1", self.peaks.pop(), node), size >> 1
        self.peaks.append(node)

    def root(self):
        node = self.peaks[-1]
        for left in reversed(self.peaks[:-1]):
            node = sha256(b"\1", left, node)
        return "sha256:" + node.hex()

    def cut_short(self):
        if self.ak is not None and (name := key_name(self.ak)) in self.anchors:
            self.anchors[name][1] += 1
        self.ak = None

    def check_anchors(self, entry):
        """Section 14: that the counter rises, and how often."""
        kind, name = entry["kind"], self.ak and key_name(self.ak)
        if kind == "anchor":
            note = f"cloister-ledger/v1/{self.log[7:]}\n{self.size}\n{base64.b64encode(bytes.fromhex(self.head[7:])).decode()}\n"
            counter, value = read_anchor(entry["body"], sha256(b"audit-anchor/v1\0", note.encode()))
            need(self.ak is not None, "an anchor without a TPM")
            before, loose = self.anchors.get(name, [value - 1, 0])
            need(before < value <= before + loose + 1, "a counter that did not rise by one")
            if value != before + 1:
                self.doubts.append("a counter that was raised without an anchor")
            self.anchors[name] = [value, 0]
            self.last_anchor, self.ends_anchored = (self.size, entry["ts"]), True
            check_attest(self.ak, bytes.fromhex(entry["body"]["attest"]), bytes.fromhex(entry["body"]["sig"]))
            index = next((key.get("counter") for key in self.roots["keys"] if bytes.fromhex(key["name"]) == name), None)
            need(index is None or counter == counter_name(index), "another counter")
        elif kind not in ("rotate", "recovery"):
            late = self.last_anchor is None or self.size - self.last_anchor[0] > 1024 or entry["ts"] - self.last_anchor[1] > 900_000
            fault = not self.ends_anchored if kind == "session-end" else late
            if fault and not self.said and name in self.anchors:
                self.said = True
                self.doubts.append("a session that is not anchored throughout")
            if kind == "session-end" and not self.ends_anchored:
                self.cut_short()
            self.ak = None if kind == "session-end" else self.ak
            if kind != "session-end":
                self.ends_anchored = False

    def check_readings(self, body):
        need(("read" in body) == (self.version > 1), "what was read, in the wrong version")
        places = [(file["path"], file["sha256"]) for file in body.get("read", [])]
        need(places == sorted(set(places)), "files that were read, in another order")
        handed = [one for _, what, resources in self.open if what == ("step", body["step"]) for one in resources if one["op"] == "read"]
        allowed = {(one["path"], one.get("sha256")) for one in handed}
        need(all(place in allowed or (place[0], None) in allowed for place in places), "a file that was not handed over")

    def opened(self, what, resources):
        self.open, self.unsaid = self.open + [(self.size, what, resources)], self.unsaid + [(self.size, what)]

    def vouch(self, body):
        statement, proof = body["statement"], body["evidence"]
        need(statement["admin"] == self.roots["admin"], "another admin's key")
        self.fresh = statement.get("challenge") == self.challenge
        self.sessions += 1
        if proof["kind"] == "none":
            return self.doubts.append("a session that is not attested")
        name, resets = check_quote(proof["quote"], sha256(b"session-binding/v1\0", canonical(statement)))
        key = next((key for key in self.roots["keys"] if bytes.fromhex(key["name"]) == name), None)
        if key is None:
            return self.doubts.append("a key that is not enrolled")
        need((key["kind"], key["device"]) == (proof["kind"], statement["device"]), "a key enrolled otherwise")
        need(key["pcrs"] == [pcr["index"] for pcr in proof["quote"]["pcrs"]], "other PCRs than those enrolled")
        need(self.resets.get(name, resets) <= resets, "a TPM that was reset less often than before")
        self.resets[name] = resets
        if proof["kind"] not in self.roots["accept"]:
            return self.doubts.append("a kind that the roots do not accept")
        self.attested += 1

    def answered(self, name, counter, value):
        """Section 14; gives whether entries are missing that no crash explains."""
        index = next((key.get("counter") for key in self.roots["keys"] if bytes.fromhex(key["name"]) == name), None)
        if index is None:
            self.doubts.append("a key that is not enrolled with a counter")
            return False
        need(counter == counter_name(index), "another counter")
        self.cut_short()
        if name not in self.anchors:
            self.doubts.append("a ledger without an anchor of the device that answered")
            return False
        self.fresh = True
        last, loose = self.anchors[name]
        need(value >= last, "a counter that was lower than now")
        if last < value <= last + loose:
            self.doubts.append("a session that was cut short")
        return value > last + loose

    def pass_checkpoint(self, note):
        need(note["version"] == min(self.version, 2), "a checkpoint of another version")
        need(note["sum"] == (self.head if self.version == 1 else self.root()), "a checkpoint over other entries")
        need(note["log"] == self.log[7:], "another ledger's checkpoint")
        need(self.ended, "a checkpoint where no session ends")
        key = bytes.fromhex(self.public[8:])
        name = f"session-{self.start['session_id']}".encode()
        need(note["name"] == name and note["id"] == sha256(name, b"\n\x01", key)[:4], "another session's checkpoint")
        check_signature(self.public, note["text"], note["sig"])
        if "witness" not in note:
            self.anchored = True
        elif note["witness"] in self.roots.get("witnesses", []):
            known = self.witnessed.get(note["witness"], (0, 0))
            self.witnessed[note["witness"]] = max(known, (self.size, -note["time"]))


def check_contents(entry):
    """Section 20: contents as the version names them, and the hash of a plan."""
    kind, body, salted = entry["kind"], entry["body"], entry["v"] > 2
    named = [step["args"] for step in body["steps"]] if kind == "plan" else [body[name] for name in ("args", "output") if name in body]
    need(all((COMMITMENT if salted else DIGEST)(value) for value in named), "a content named as another version does")
    need(salted or kind != "shred" and not any("open" in step for step in body.get("steps", [])), "what only later versions say")
    need(not salted or kind != "plan" or body["hash"] == digest(b"cloister-plan/v1\0", canonical(body["steps"])), "a plan's hash over other steps")


def read_witness(text):
    """Section 17: the name, id and key of a witness's key as text."""
    name, key_id, key = text.split("+", 2)
    data = base64.b64decode(key)
    need(base64.b64encode(data).decode() == key and len(data) == 33 and data[0] == 4, "no witness's key")
    edwards(data[1:])
    need(key_id == sha256(name.encode(), b"\n", data)[:4].hex(), "a witness's key under another id")
    return name.encode(), bytes.fromhex(key_id), data[1:]


def cosigned_name(data):
    return f"cosigned-{sha256(data).hex()}"


def read_cosigned(data, witnesses):
    """Section 17: a checkpoint and a line more, which a pinned witness must have signed."""
    lines = data.split(b"\n")
    need(len(lines) == 7 and not lines[6], "a note of another length")
    note = read_checkpoint(b"\n".join(lines[:5]) + b"\n")
    need(note["version"] == 2, "a checkpoint without a tree")
    found = re.fullmatch(rb"\xe2\x80\x94 ([!-*,-~]{1,64}) ([A-Za-z0-9+/]{102}==)", lines[5])
    need(found, "no cosignature")
    name, signed = found.groups()
    blob = base64.b64decode(signed)
    need(base64.b64encode(blob) == signed, "base64 that is not canonical")
    note["time"], signature = int.from_bytes(blob[4:12], "big"), blob[12:]
    need(0 < note["time"] < 1 << 53, "no time")
    note["witness"] = None
    for text in witnesses:
        its_name, its_id, key = read_witness(text)
        if (name, blob[:4]) == (its_name, its_id):
            check_signature(key.hex(), f"cosignature/v1\ntime {note['time']}\n".encode() + note["text"], signature)
            note["witness"] = text
    return note


def read_marks(checkpoint, others, witnesses):
    """The notes over the ledger, each with its file, in the order in which they are read; a fault names the file."""
    marks = []
    if checkpoint is not None:
        marks.append(("checkpoint", checkpoint, read_checkpoint))
    marks += [(name, data, lambda data: read_cosigned(data, witnesses)) for name, data in sorted(others.items()) if data is not None and name == cosigned_name(data)]
    for at, (name, data, read) in enumerate(marks):
        try:
            marks[at] = name, read(data)
        except Fault as fault:
            raise Fault(name) from fault
    return marks


def read_checkpoint(data):
    pattern = rb"(cloister-ledger/v([12])/([0-9a-f]{64})\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n)\n\xe2\x80\x94 (session-[0-9a-f]{16}) ([A-Za-z0-9+/]{91}=)\n"
    found = re.fullmatch(pattern, data)
    need(found, "a checkpoint that is malformed")
    message, version, log, size, total, name, signed = found.groups()
    need(all(base64.b64encode(base64.b64decode(part)) == part for part in (total, signed)), "base64 that is not canonical")
    signed = base64.b64decode(signed)
    return {"text": message, "version": int(version), "log": log.decode(), "size": int(size), "sum": "sha256:" + base64.b64decode(total).hex(), "name": name,
            "id": signed[:4], "sig": signed[4:]}


def check_others(ledger, others):
    for name, expected in ledger.torn.items():
        if name not in others or digest(others[name] or b"") != expected:
            return name
    loose = [name for name in sorted(others) if name not in ledger.torn and not (others[name] is not None and name == cosigned_name(others[name]))]
    for name in loose:
        if others[name] is None or name != f"torn-{sha256(others[name]).hex()}.bin":
            return name
    if loose:
        ledger.doubts.append("torn lines that no recovery names")
    return None


class Entries:
    """Where the lines of a ledger's folder stand: in one file."""

    def __init__(self, files):
        self.data, self.ledger = files.pop("entries.jsonl", b"") or b"", None

    def lines(self, _):
        *lines, self.rest = self.data.split(b"\n")
        yield from lines

    def place(self, seq, byte):
        return "entries.jsonl", byte

    def end(self):
        need(len(self.rest) <= LINE, "a line that is too long")
        if self.rest:
            self.ledger.doubts.append("a torn last line")

    def left(self):
        pass


class BadTile(Fault):
    """A file among tiles, and the byte in it."""


class Tiles:
    """Where they stand in a folder of tiles: section 19. `here` are the tiles by their paths."""

    def __init__(self, files, here):
        self.here, self.left_over, self.ledger, self.levels = here, set(here), None, {}
        self.cut_off = ".cloister-tmp" in files
        files.pop(".cloister-tmp", None)

    def lines(self, size):
        for index in range((size + 255) // 256):
            lines = self.bundle(index, min(256, size - index * 256))
            yield from lines
            for width, path in self.partial(("entries", "entries32"), index, len(lines)):
                self.hold(path, bundled(lines[:width]) if path.split("/")[1] == bundle_name(lines[:width]) else None, 0)
            for line in lines:
                self.grow(0, sha256(b"\0", line))
        for level in sorted(self.levels):
            index, hashes = self.levels[level]
            if hashes:
                self.tile(level, index, hashes)

    def bundle(self, index, width):
        self.at = tile_path("entries32", index, width)
        if self.at not in self.here:
            self.at = tile_path("entries", index, width)
        need(self.at in self.here, "a bundle that is missing")
        self.left_over.discard(self.at)
        lines = unbundled(self.here[self.at], length_bytes(self.at))
        need(len(lines) == width and bundled(lines) == self.here[self.at] and bundle_name(lines) == self.at.split("/")[1], "a bundle of another form")
        return lines

    def grow(self, level, node):
        index, hashes = self.levels.setdefault(level, (0, []))
        hashes.append(node)
        if len(hashes) == 256:
            self.tile(level, index, hashes)
            self.levels[level] = index + 1, []
            while len(hashes) > 1:
                hashes = [sha256(b"\1", left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
            self.grow(level + 1, hashes[0])

    def tile(self, level, index, hashes):
        self.hold(tile_path(level, index, len(hashes)), b"".join(hashes), 32)
        for width, path in self.partial((level,), index, len(hashes)):
            self.hold(path, b"".join(hashes[:width]), 32)

    def partial(self, kinds, index, below):
        """The partial tiles that are there in one place, by path."""
        there = [(width, tile_path(kind, index, width)) for kind in kinds for width in range(1, min(below, 256))]
        return sorted([one for one in there if one[1] in self.left_over], key=lambda one: one[1].encode())

    def hold(self, path, made, step):
        found = self.here.get(path, b"")
        self.left_over.discard(path)
        if found != made or path not in self.here:
            self.ledger.vouched()
            same = step and len(found) == len(made) and next(at for at in range(len(made)) if found[at] != made[at])
            raise BadTile(path, same // step * step if same else 0)

    def place(self, seq, _):
        if seq >= self.size:
            return "checkpoint", 0
        index = seq // 256
        width = min(256, self.size - index * 256)
        path = tile_path("entries32", index, width)
        path = path if path in self.here else tile_path("entries", index, width)
        prefix, data, byte = length_bytes(path), self.here.get(path, b""), 0
        for _ in range(seq % 256):
            byte += prefix + int.from_bytes(data[byte:byte + prefix], "big")
        return path, byte if byte <= len(data) else 0

    def end(self):
        pass

    def left(self):
        for path in sorted(self.left_over, key=str.encode):
            if tile_needs(path) <= self.size:
                raise BadTile(path, 0)
            self.cut_off = True
        if self.cut_off:
            self.ledger.doubts.append("an export that was cut off")


def bundle_name(lines):
    return "entries" if all(len(line) < 1 << 16 for line in lines) else "entries32"


def length_bytes(path):
    return 4 if path.startswith("tile/entries32/") else 2


def bundled(lines):
    size = 2 if bundle_name(lines) == "entries" else 4
    return b"".join(len(line).to_bytes(size, "big") + line for line in lines)


def unbundled(data, prefix):
    lines = []
    while data:
        length = int.from_bytes(data[:prefix], "big")
        lines.append(data[prefix:prefix + length])
        data = data[prefix + length:]
    return lines


def tile_path(kind, index, width):
    groups = [f"{index % 1000:03}"]
    while index >= 1000:
        index //= 1000
        groups.insert(0, f"x{index % 1000:03}")
    return f"tile/{kind}/{'/'.join(groups)}" + (f".p/{width}" if width < 256 else "")


def tile_needs(path):
    """Entries of the smallest tree that has it; none that is no tile."""
    found = re.fullmatch(r"tile/(entries|entries32|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/)*)([0-9]{3})(?:\.p/([1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?", path)
    if not found:
        return 0
    kind, above, last, width = found.groups()
    index, width = int(re.sub("[x/]", "", above) + last), int(width or 256)
    if index >= 1 << 64 or tile_path(kind, index, width) != path:
        return 0
    return (index * 256 + width) << (8 * int(kind) if kind.isdigit() else 0)


def opened(folder):
    """What is there but the tiles, and where the lines stand."""
    files = {path.name: path.read_bytes() if path.is_file() and not path.is_symlink() else None for path in folder.iterdir()}
    tile = folder / "tile"
    if "entries.jsonl" in files or not tile.is_dir() or tile.is_symlink():
        return files, Entries(files)
    del files["tile"]
    here = {}
    for path in tile.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_dir():
            where = files if path.is_symlink() or not path.is_file() else here
            where[name] = None if where is files else path.read_bytes()
    return files, Tiles(files, here)


def check(folder, roots, challenge, answer=None):
    ledger = Ledger(roots, challenge)
    files, where = opened(folder)
    where.ledger, checkpoint = ledger, files.pop("checkpoint", None)

    good = ledger.size, ledger.head

    def verdict(word, **where):
        return {"verdict": word, **where, "entries": good[0], "sessions": ledger.sessions, "attested": ledger.attested, "head": good[1]}

    def tampered(file, seq=None, byte=0):
        return verdict("tampered", seq=seq, file=file, byte=byte)

    def bad_line(fault):
        """The line at hand, or the first before it that is not vouched for."""
        nonlocal good
        try:
            ledger.vouched()
        except Unsigned as earlier:
            fault = earlier
        seq, byte, head = fault.args if isinstance(fault, Unsigned) else (ledger.size, ledger.byte, ledger.head)
        good = seq, head
        file, byte = where.place(seq, byte)
        return tampered(file, seq, byte)

    try:
        answer = read_answer(answer, challenge) if answer is not None else None
    except Fault:
        return tampered("answer")
    try:
        marks = read_marks(checkpoint, files, roots.get("witnesses", []))
    except Fault as fault:
        return tampered(str(fault))
    if checkpoint is None:
        ledger.doubts.append("no checkpoint")
    size = where.size = marks[0][1]["size"] if checkpoint is not None else 0
    if checkpoint is not None and isinstance(where, Tiles) and marks[0][1]["version"] != 2:
        return tampered("checkpoint")
    lines = where.lines(size)
    while True:
        before = ledger.sessions, ledger.attested
        try:
            line = next(lines, None)
            if line is None:
                break
            need(len(line) <= LINE, "a line that is too long")
            ledger.line(line)
        except BadTile as fault:
            file, byte = fault.args
            return tampered(file, None, byte)
        except Fault as fault:
            ledger.sessions, ledger.attested = before
            return bad_line(fault)
        ledger.anchored = False
        for name, note in [mark for mark in marks if mark[1]["size"] == ledger.size]:
            try:
                ledger.vouched()
                ledger.pass_checkpoint(note)
            except Unsigned as fault:
                return bad_line(fault)
            except Fault:
                return tampered(name)
        good = ledger.size, ledger.head
    try:
        ledger.vouched()
        where.end()
        need(all(0 < note["size"] <= ledger.size for _, note in marks), "an end that is missing")
    except Fault as fault:
        return bad_line(fault)
    if not ledger.size or not ledger.ended or not ledger.anchored:
        ledger.doubts.append("an end that nobody vouches for")
    if set(roots.get("witnesses", [])) - set(ledger.witnessed):
        ledger.doubts.append("a witness that has cosigned nothing")
    for key in roots["keys"]:
        name = bytes.fromhex(key["name"])
        if "counter" in key and name in ledger.resets and name not in ledger.anchors:
            ledger.doubts.append("a device that is not anchored")
    try:
        if answer is not None and ledger.answered(*answer):
            return tampered("entries.jsonl", ledger.size, ledger.byte)
    except Fault:
        return tampered("answer")
    if challenge and not ledger.fresh:
        ledger.doubts.append("a challenge that nobody answered")
    foreign = check_others(ledger, files)
    if foreign is not None:
        return tampered(foreign)
    try:
        where.left()
    except BadTile as fault:
        file, byte = fault.args
        return tampered(file, None, byte)
    witnessed = [{"witness": witness, "entries": size, "since": -since} for witness, (size, since) in sorted(ledger.witnessed.items())]
    return verdict("unanchored" if ledger.doubts else "sound", **({"witnessed": witnessed} if witnessed else {}))


def main():
    folder, roots, *asked = sys.argv[1:]
    challenge, answer = [*asked, None, None][:2]
    try:
        trusted = read_roots(Path(roots).read_bytes())
    except (OSError, Fault) as error:
        print(f"check: no trust roots: {error}", file=sys.stderr)
        return 3
    found = check(Path(folder), trusted, challenge, Path(answer).read_bytes() if answer else None)
    print(json.dumps(found))
    return {"sound": 0, "tampered": 1, "unanchored": 2}[found["verdict"]]


if __name__ == "__main__":
    sys.exit(main())
