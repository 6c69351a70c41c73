"""Signs and verifies messages by DKIM (RFC 6376) with an implementation that is not ours: signature.py sign|verify KEY FILE...

KEY is a private key in PEM; KEY.pub its public half in base64. `sign` prepends a signature to each file, in two forms of
canonicalization by turns; `verify` says how many files bear a good one.
"""
import sys

import dkim

what, key, files = sys.argv[1], sys.argv[2], sys.argv[3:]


def look_up(name, timeout=5):
    assert name == b"test._domainkey.b.example.", name
    return b"v=DKIM1; k=rsa; p=" + open(key + ".pub", "rb").read().strip()


good = 0
for i, file in enumerate(files):
    message = open(file, "rb").read()
    if what == "sign":
        form = (b"simple", b"simple") if i % 2 == 0 else (b"relaxed", b"relaxed")
        wire = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        signature = dkim.sign(wire, b"test", b"b.example", open(key, "rb").read(), canonicalize=form)
        if b"\r\n" not in message:
            signature = signature.replace(b"\r\n", b"\n")
        open(file, "wb").write(signature + message)
    elif dkim.verify(message, dnsfunc=look_up):
        good += 1
    else:
        print(file)
print(good)
