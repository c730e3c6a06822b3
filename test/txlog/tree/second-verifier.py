"""A second verifier of logs, from the specifications alone: RFC 6962 and 9162 (trees and proofs), RFC 8032 (Ed25519) and
C2SP's signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles and tlog-proof. It shares no line and no library with
Schakel, and needs Python 3.8 and nothing else.

Reads a JSON array of questions on standard input and prints a JSON array of answers: {"ok": true, ...} or
{"ok": false, "reason": "..."}. What the questions are is at the end.
"""

import base64
import hashlib
import json
import os
import struct
import sys


class Refused(Exception):
    """Something that is not what it should be."""


def require(condition, reason):
    if not condition:
        raise Refused(reason)


def decode64(text):
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except Exception:
        raise Refused("not base64")
    require(base64.b64encode(data).decode() == text, "base64 in another form")
    return data


# RFC 8032, section 5.1, with affine arithmetic on extended coordinates as in its section 6.

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)


def recover_x(y, sign):
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if x2 == 0:
        return None if sign else 0
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P != 0:
        x = x * SQRT_M1 % P
    if (x * x - x2) % P != 0:
        return None
    return P - x if x & 1 != sign else x


def decompress(data):
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign = y >> 255
    y &= (1 << 255) - 1
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


def add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0)
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def same_point(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % P == 0 and (p[1] * q[2] - q[1] * p[2]) % P == 0


def ed25519_verify(public, message, signature):
    if len(signature) != 64:
        return False
    a = decompress(public)
    r = decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    k = int.from_bytes(digest, "little") % L
    return same_point(multiply(s, BASE), add(r, multiply(k, a)))


# RFC 6962, section 2.1.


def sha256(data):
    return hashlib.sha256(data).digest()


def leaf_hash(leaf):
    return sha256(b"\x00" + leaf)


def node_hash(left, right):
    return sha256(b"\x01" + left + right)


def tree_hash(hashes):
    """MTH over the hashes of leaves, by the definition."""
    if not hashes:
        return sha256(b"")
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return node_hash(tree_hash(hashes[:k]), tree_hash(hashes[k:]))


# RFC 9162, section 2.1.3.2.


def check_inclusion(leaf, index, size, path, root):
    require(0 <= index < size, "the index is not in the tree")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        require(sn != 0, "too many hashes")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            if not fn & 1:
                while not (fn & 1 or fn == 0):
                    fn >>= 1
                    sn >>= 1
        else:
            r = node_hash(r, p)
        fn >>= 1
        sn >>= 1
    require(sn == 0, "too few hashes")
    require(r == root, "another root")


# RFC 9162, section 2.1.4.2.


def check_consistency(first, first_hash, second, second_hash, path):
    require(0 < first < second, "the sizes are not those of such a proof")
    path = list(path)
    require(path, "no hashes")
    if first & (first - 1) == 0:
        path.insert(0, first_hash)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    fr = sr = path[0]
    for c in path[1:]:
        require(sn != 0, "too many hashes")
        if fn & 1 or fn == sn:
            fr = node_hash(c, fr)
            sr = node_hash(c, sr)
            if not fn & 1:
                while not (fn & 1 or fn == 0):
                    fn >>= 1
                    sn >>= 1
        else:
            sr = node_hash(sr, c)
        fn >>= 1
        sn >>= 1
    require(sn == 0, "too few hashes")
    require(fr == first_hash, "another first root")
    require(sr == second_hash, "another second root")


# C2SP signed-note, tlog-cosignature and tlog-checkpoint.


def parse_key(vkey):
    name, key_id, material = vkey.split("+", 2)
    data = decode64(material)
    require(len(data) == 33 and data[0] in (1, 4), "a key of another type")
    expected = sha256(name.encode() + b"\n" + data)[:4]
    require(expected.hex() == key_id, "a key id that is not the key's")
    return name, expected, data[0], data[1:]


def check_note(note, vkeys):
    """The text of a note, and the names of the keys that signed it, with times of co-signatures."""
    require(note.endswith("\n"), "no newline at the end")
    require(all(c >= " " or c == "\n" for c in note), "a control character")
    text, separator, signatures = note[:-1].rpartition("\n\n")
    require(separator != "", "no empty line")
    text += "\n"
    keys = [parse_key(each) for each in vkeys]
    signed = {}
    for line in signatures.split("\n"):
        require(line.startswith("\u2014 "), "a line that is no signature")
        parts = line[2:].split(" ")
        require(len(parts) == 2, "a line that is no signature")
        data = decode64(parts[1])
        for name, key_id, kind, public in keys:
            if name != parts[0] or key_id != data[:4]:
                continue
            message, signature = text.encode(), data[4:]
            if kind == 4:
                require(len(signature) == 72, "a co-signature of another length")
                (time,) = struct.unpack(">Q", signature[:8])
                message = b"cosignature/v1\ntime %d\n" % time + message
                signature = signature[8:]
            require(ed25519_verify(public, message, signature), "a wrong signature")
            signed[name] = time if kind == 4 else None
    return text, signed


def parse_checkpoint(text):
    lines = text.split("\n")
    require(len(lines) >= 4 and lines[-1] == "" and "" not in lines[:-1], "no checkpoint")
    require(lines[1].isdigit() and str(int(lines[1])) == lines[1], "no size")
    root = decode64(lines[2])
    require(len(root) == 32, "no root")
    return lines[0], int(lines[1]), root


def check_checkpoint(note, log, witnesses):
    text, signed = check_note(note, [log] + witnesses)
    origin, size, root = parse_checkpoint(text)
    require(parse_key(log)[0] in signed, "the log has not signed")
    times = {name: time for name, time in signed.items() if time is not None}
    return origin, size, root, times


# C2SP tlog-tiles.


def tile_path(level, index, width):
    digits = "%d" % index
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join(["x" + each for each in groups[:-1]] + [groups[-1]])
    return "tile/%d/%s%s" % (level, path, "" if width == 256 else ".p/%d" % width)


def read_level(folder, level, size):
    """All hashes of a level, from its tiles."""
    count = size // 256**level
    hashes = []
    for index in range(-(-count // 256)):
        width = min(256, count - index * 256)
        with open(os.path.join(folder, *tile_path(level, index, width).split("/")), "rb") as file:
            data = file.read()
        require(len(data) == 32 * width, "a tile of another size")
        hashes += [data[at : at + 32] for at in range(0, len(data), 32)]
    return hashes


def check_tiles(folder, size, root):
    """That the lowest tiles lead to the root, and that each level is made of the full tiles below it."""
    below = read_level(folder, 0, size)
    require(tree_hash(below) == root, "the tiles lead to another root")
    level = 1
    while size // 256**level > 0:
        here = read_level(folder, level, size)
        made = [tree_hash(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)]
        require(here == made, "a tile that is not made of those below")
        below = here
        level += 1
    return level


# C2SP tlog-proof.


def check_proof(text, leaf, log, witnesses):
    head, separator, note = text.partition("\n\n")
    require(separator != "", "no checkpoint")
    lines = head.split("\n")
    require(lines.pop(0) == "c2sp.org/tlog-proof@v1", "another first line")
    if lines and lines[0].startswith("extra "):
        decode64(lines.pop(0)[6:])
    require(lines and lines[0].startswith("index "), "no index")
    index = lines.pop(0)[6:]
    require(index.isdigit() and str(int(index)) == index, "no index")
    path = [decode64(each) for each in lines]
    require(all(len(each) == 32 for each in path), "no hash")
    _, size, root, times = check_checkpoint(note, log, witnesses)
    check_inclusion(leaf_hash(leaf), int(index), size, path, root)
    return int(index), times


def answer(question):
    what = question["what"]
    if what == "checkpoint":
        origin, size, root, times = check_checkpoint(
            question["note"], question["log"], question["witnesses"]
        )
        return {"origin": origin, "size": size, "root": root.hex(), "times": times}
    if what == "tiles":
        levels = check_tiles(question["folder"], question["size"], bytes.fromhex(question["root"]))
        return {"levels": levels}
    if what == "inclusion":
        check_inclusion(
            leaf_hash(decode64(question["leaf"])),
            question["index"],
            question["size"],
            [bytes.fromhex(each) for each in question["proof"]],
            bytes.fromhex(question["root"]),
        )
        return {}
    if what == "consistency":
        check_consistency(
            question["oldSize"],
            bytes.fromhex(question["oldRoot"]),
            question["newSize"],
            bytes.fromhex(question["newRoot"]),
            [bytes.fromhex(each) for each in question["proof"]],
        )
        return {}
    if what == "proof":
        index, times = check_proof(
            question["text"],
            decode64(question["leaf"]),
            question["log"],
            question["witnesses"],
        )
        return {"index": index, "times": times}
    raise ValueError(what)


def judged(question):
    try:
        return dict(answer(question), ok=True)
    except Refused as refused:
        return {"ok": False, "reason": str(refused)}


json.dump([judged(each) for each in json.load(sys.stdin)], sys.stdout)
