"""Reads the mails of a folder with Python's email, strictly, and compares them with the values that they were made of."""

import email
import email.header
import email.policy
import html.parser
import json
import pathlib
import re
import sys
from urllib.parse import quote

FOLDER = pathlib.Path(sys.argv[1])
FIELDS = ["From", "To", "Reply-To", "Subject", "List-Unsubscribe", "X-Note", "Date", "Message-ID", "MIME-Version",
          "Content-Type"]


def controls(text, instead):
    def is_seen(c):
        turns = 0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069
        return not (ord(c) < 32 and c not in "\t\n" or 127 <= ord(c) < 160 or turns)

    return "".join(c if is_seen(c) else instead for c in text)


def body(value):
    """As a text part has it."""
    return controls(value.replace("\r\n", "\n").replace("\r", "\n"), "\ufffd")


def line(value):
    """As a header has it."""
    value = value.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return re.sub("[\u2028\u2029]", " ", controls(value, " "))


def name(value):
    return " ".join(line(value).split())


def part(value):
    return quote(value, safe="-._~")


class Reader(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.seen = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, attrs))

    def handle_endtag(self, tag):
        self.seen.append("/" + tag)

    def handle_data(self, data):
        if self.seen and isinstance(self.seen[-1], list):
            self.seen[-1][0] += data
        else:
            self.seen.append([data])

    def handle_comment(self, data):
        self.seen.append(("comment", data))

    handle_decl = unknown_decl = handle_pi = handle_comment


def expected_html(row):
    n, o = body(row["name"]), body(row["note"])
    url = quote(row["url"].strip(), safe="-._~%:/?#[]@!$&()*+,;=")
    seen = ["HEAD", ("title", []), [n], "/title", "/head", ("body", []), ("p", [("title", n), ("class", o)]), [n], "/p",
            ("div", []), [o], "/div",
            ("a", [("href", "https://x.org/?n=%s&o=%s" % (part(row["name"]), part(row["note"])))]), ["link"], "/a",
            ("a", [("href", url)]), ["own"], "/a", "/body", "/html", ["\n"]]
    return [("html", []), ("head", [])] + [each for each in seen[1:] if each != [""]]


def same(what, found, expected):
    if found != expected:
        raise AssertionError(f"{what}:\n  found    {str(found)[:600]!r}\n  expected {str(expected)[:600]!r}")


def shown_name(data, field, address):
    """An address's name. Between the encoded words of a long one the new parser of some versions puts blanks, which RFC 2047
    section 6.2 forbids; the older decoder does not."""
    raw = email.message_from_string(data.decode())[field]
    if raw.count("=?utf-8?") < 2:
        return address.display_name
    whole = str(email.header.make_header(email.header.decode_header(raw)))
    end = " <%s>" % address.addr_spec
    return whole[:-len(end)] if whole.endswith(end) else whole


def check(data, row):
    if any(len(each) > 998 for each in data.split(b"\n")):
        raise AssertionError("a line is too long")
    if b"\r" in data or b"\0" in data:
        raise AssertionError("a CR or NUL")
    same("UTF-8", not data.isascii(), row["utf8"])
    policy = email.policy.default.clone(raise_on_defect=True)
    if row["utf8"]:
        mail = email.message_from_string(data.decode(), policy=policy.clone(utf8=True))
    else:
        mail = email.message_from_bytes(data, policy=policy)
    # A field that would be empty is none.
    fields = [field for field in FIELDS if field != "X-Note" or line(row["note"]).strip(" ")]
    same("fields", mail.keys(), fields)
    for field in fields:
        defects = [type(each).__name__ for each in mail[field].defects]
        # Which SMTPUTF8 is for.
        defects = [each for each in defects if not (row["utf8"] and each == "NonASCIILocalPartDefect")]
        same(field + "'s defects", defects, [])
    same("Subject", mail["Subject"], re.sub("^ | $", "", " ".join(
        ["Hello", line(row["name"]) + ",", "your order", line(row["note"])])).rstrip(" "))
    same("X-Note", (mail["X-Note"] or ""), line(row["note"]).strip(" "))
    to = mail["To"].addresses
    same("recipients", len(to), 1)
    same("name", shown_name(data, "To", to[0]), name(row["name"]))
    same("address", to[0].addr_spec.replace('"', ""), row["email"].replace('"', ""))
    reply = mail["Reply-To"].addresses
    same("Reply-To", [(shown_name(data, "Reply-To", each), each.addr_spec) for each in reply], [(name(row["name"]), "reply@x.org")])
    unsubscribe = mail["List-Unsubscribe"].split(", ")
    same("List-Unsubscribe", unsubscribe, [
        "<https://x.org/u?e=%s&c=%s>" % (part(row["email"]), part(line(row["code"]))),
        "<mailto:u@x.org?subject=%s>" % part(line(row["code"]))])
    kinds = [each.get_content_type() for each in mail.walk()]
    fixed = ["multipart/mixed", "multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png",
             "application/pdf"]
    same("parts", kinds[:7], fixed)
    same("number of parts", len(kinds), 8 if "attached" in row else 7)
    same("text", mail.get_body(("plain",)).get_content(), "Hello %s,\n%s\n-- \nEnd\n" % (
        body(row["name"]), body(row["note"])))
    same("html", Reader(mail.get_body(("html",)).get_content()).seen, expected_html(row))
    if "attached" in row:
        last = list(mail.walk())[-1]
        same("attachment", last.get_payload(decode=True).decode(), row["attached"])
        blanks = "\t\n\u2028\u2029"
        shown = "".join("_" if c in "/\\" else " " if c in blanks else c for c in controls(row["attached"], " "))
        same("its name", last["Content-Disposition"].params["filename"].strip(), shown.strip())


def main():
    rows = json.loads((FOLDER / "rows.json").read_text())
    wrong = 0
    for number, row in enumerate(rows):
        data = (FOLDER / f"{number}.eml").read_bytes()
        try:
            check(data, row)
        except Exception as error:
            wrong += 1
            if wrong < 8:
                shown = {key: str(value)[:80] for key, value in row.items()}
                print(f"mail {number}, of {shown}: {type(error).__name__}: {error}")
    if wrong:
        print(f"{wrong} of {len(rows)} mails are not as expected")
        sys.exit(1)
    print(f"{len(rows)} mails are as expected")


main()
