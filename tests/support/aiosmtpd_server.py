"""Python's SMTP server on a free port of 127.0.0.1: aiosmtpd_server.py FOLDER [SMTPUTF8]

Prints its port, then takes mail until its standard input ends: each message is a file in FOLDER, its envelope before an
empty line. Nobody is called nobody here.
"""
import asyncio
import sys

from aiosmtpd.smtp import SMTP

folder, utf8 = sys.argv[1], "SMTPUTF8" in sys.argv[2:]
count = 0


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        head = "".join(f"{line}\n" for line in [envelope.mail_from, *envelope.rcpt_tos])
        with open(f"{folder}/{count}", "wb") as file:
            file.write(head.encode() + b"\n" + envelope.content)
        return "250 OK"


async def main():
    loop = asyncio.get_running_loop()
    make = lambda: SMTP(Handler(), enable_SMTPUTF8=utf8, hostname="test.example", ident="test")
    server = await loop.create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


asyncio.run(main())
