"""Sends the mails of a template's folder to a port of the loopback, in one session, with jinja2, EmailMessage and smtplib."""

import email.policy
import email.utils
import json
import pathlib
import smtplib
import sys
from email.message import EmailMessage

import jinja2

folder, port = pathlib.Path(sys.argv[1]), int(sys.argv[2])
plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
markup = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
headers = [line.split(": ", 1) for line in (folder / "headers").read_text().splitlines()]
headers = [(name, plain.from_string(value)) for name, value in headers]
text = plain.from_string((folder / "text").read_text())
html = markup.from_string((folder / "html").read_text())
data = json.loads((folder / ".rows.json").read_text())

server = smtplib.SMTP("127.0.0.1", port)
for cells in data["rows"]:
    row = dict(zip(data["fields"], cells))
    mail = EmailMessage(policy=email.policy.SMTP)
    for name, value in headers:
        mail[name] = value.render(row)
    mail["Date"] = email.utils.localtime()
    mail["Message-ID"] = email.utils.make_msgid(domain="x.org")
    mail.set_content(text.render(row))
    mail.add_alternative(html.render(row), subtype="html")
    server.sendmail("shop@x.org", [row["email"]], mail.as_bytes())
server.quit()
