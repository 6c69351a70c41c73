"""Renders the mails of a template's folder with jinja2 and EmailMessage: microseconds of a processor for a mail."""

import email.policy
import email.utils
import json
import pathlib
import sys
import time
from email.message import EmailMessage

import jinja2

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2])
plain = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False)
markup = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=True)
headers = [line.split(": ", 1) for line in (folder / "headers").read_text().splitlines()]
headers = [(name, plain.from_string(value)) for name, value in headers]
text = plain.from_string((folder / "text").read_text())
html = markup.from_string((folder / "html").read_text())
data = json.loads((folder / ".rows.json").read_text())
rows = [dict(zip(data["fields"], row)) for row in data["rows"]]

begin, size = time.process_time(), 0
for number in range(count):
    row = rows[number % len(rows)]
    mail = EmailMessage(policy=email.policy.SMTP)
    for name, value in headers:
        mail[name] = value.render(row)
    mail["Date"] = email.utils.localtime()
    mail["Message-ID"] = email.utils.make_msgid(domain="x.org")
    mail.set_content(text.render(row))
    mail.add_alternative(html.render(row), subtype="html")
    size += len(mail.as_bytes())
print((time.process_time() - begin) * 1e6 / count, size // count)
