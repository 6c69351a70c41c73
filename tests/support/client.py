"""An SMTP client that is not ours: Python's smtplib, over TCP (HOST PORT) or a unix socket (PATH)."""

import re
import smtplib
import socket
import sys


class Client(smtplib.SMTP):
    """smtplib knows no unix sockets."""

    def _get_socket(self, host, port, timeout):
        if not host.startswith("/"):
            return super()._get_socket(host, port, timeout)
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(timeout)
        made.connect(host)
        return made


def connect():
    host, port = (sys.argv[1:] + ["0"])[:2]
    client = Client(host, int(port), local_hostname="client.example.org", timeout=120)
    client.ehlo()
    return client


def message(number, text=""):
    head = f"From: s@example.org\nDate: Tue, 24 Nov 2026 12:00:00 +0000\nMessage-ID: <{number}@example.org>\n"
    return (head + f"X-Number: {number}\n\n{text}.\n..\nEND\n").replace("\n", "\r\n").encode()


def expect(reply, code, status):
    assert reply[0] == code and reply[1].startswith(status), (reply, code, status)


def raw(client, wire):
    """Sends bytes as they are; the replies to them are read by the caller."""
    client.sock.sendall(wire)


def content(number):
    return re.sub(rb"(?m)^\.", b"..", message(number)) + b".\r\n"


def begin(client):
    expect(client.mail("s@example.org"), 250, b"2.1.0")
    expect(client.rcpt("x@example.net"), 250, b"2.1.5")
    expect(client.docmd("DATA"), 354, b"")


SMUGGLED = b"MAIL FROM:<evil@example.org>\r\nRCPT TO:<x@example.net>\r\nDATA\r\nevil\r\n.\r\n"
LOOK_ALIKES = [b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r", b"\r\n\0.\r\n", b"\r\n.\r\r\n"]

client = connect()
offered = "pipelining size 8bitmime smtputf8 enhancedstatuscodes dsn"
assert all(client.has_extn(name) for name in offered.split()), client.esmtp_features

# Good mail, with the parameters that smtplib adds itself, and 8-bit.
assert client.sendmail("s@example.org", ["r1@example.net"], message(1, "jörg\n"), ["BODY=8BITMIME"]) == {}
# Many recipients: those that are none are refused, each by itself.
many = [f"r2.{n}@example.net" for n in range(300)]
refused = client.sendmail("s@example.org", many + ["a..b@@x"], message(2))
assert list(refused) == ["a..b@@x"] and refused["a..b@@x"][0] == 550, refused
# A pipelined group, and the next one behind the content.
group = b"MAIL FROM:<s@example.org>\r\nRCPT TO:<r%d@example.net>\r\nDATA\r\n"
raw(client, group % 3)
for code in [250, 250, 354]:
    assert client.getreply()[0] == code
raw(client, content(3) + group % 4)
for code in [250, 250, 250, 354]:
    assert client.getreply()[0] == code
raw(client, content(4))
expect(client.getreply(), 250, b"2.0.0")
# UTF-8, where it was said and where not.
client.command_encoding = "utf-8"
expect(client.mail("jörg@example.org"), 553, b"5.6.7")
expect(client.mail("jörg@example.org", ["SMTPUTF8"]), 250, b"2.1.0")
expect(client.rcpt("zoë@example.net"), 250, b"2.1.5")
expect(client.data(message(5)), 250, b"2.0.0")
expect(client.mail("s@example.org"), 250, b"2.1.0")
expect(client.rcpt("zoë@example.net"), 553, b"5.6.7")
client.rset()
# Size: by its own account, and without one.
expect(client.mail("s@example.org", ["SIZE=99999999"]), 552, b"5.3.4")
expect(client.mail("s@example.org"), 250, b"2.1.0")
expect(client.rcpt("x@example.net"), 250, b"2.1.5")
expect(client.data(message(99, "All mail arrives.\n" * 60_000)), 552, b"5.3.4")
# Delivery status notifications.
expect(client.mail("s@example.org", ["RET=HDRS", "ENVID=a+2Bb"]), 250, b"2.1.0")
expect(client.rcpt("r6@example.net", ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;r6@example.net"]), 250, b"2.1.5")
expect(client.rcpt("r6.never@example.net", ["NOTIFY=NEVER"]), 250, b"2.1.5")
expect(client.rcpt("r6.x@example.net", ["NOTIFY=NEVER,DELAY"]), 501, b"5.5.4")
expect(client.data(message(6)), 250, b"2.0.0")
# What looks like the end of the content is not its end, and the message is refused.
for look_alike in LOOK_ALIKES:
    begin(client)
    raw(client, b"Subject: x\r\n\r\nx" + look_alike + SMUGGLED)
    expect(client.getreply(), 550, b"5.6.0" if b"\0" in look_alike else b"5.6.11")
expect(client.docmd("NOOP"), 250, b"2.0.0")
# One who goes in the middle of the content leaves nothing.
begin(client)
raw(client, content(98)[:-3])
client.close()
client = connect()
assert client.sendmail("", ["r7@example.net"], message(7)) == {}
expect(client.quit(), 221, b"2.0.0")
