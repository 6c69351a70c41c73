// Sends the mails of a template's folder to a port of the loopback, in eight sessions, with nunjucks and nodemailer.
const fs = require("fs");
const nodemailer = require("nodemailer");
const nunjucks = require("nunjucks");

const [folder, port] = process.argv.slice(2);
const read = (name) => fs.readFileSync(`${folder}/${name}`, "utf8");
const plain = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true });
const markup = new nunjucks.Environment(null, { autoescape: true, throwOnUndefined: true });
const compile = (text, environment) => nunjucks.compile(text, environment);
const headers = Object.fromEntries(
    read("headers").trim().split("\n").map((line) => {
        const [name, ...rest] = line.split(": ");
        return [name, compile(rest.join(": "), plain)];
    })
);
const [text, html] = [compile(read("text"), plain), compile(read("html"), markup)];
const { fields, rows } = JSON.parse(read(".rows.json"));
const server = nodemailer.createTransport({
    host: "127.0.0.1", port: Number(port), pool: true, maxConnections: 8, maxMessages: Infinity, ignoreTLS: true
});

let next = 0;
async function session() {
    while (next < rows.length) {
        const cells = rows[next++];
        const row = Object.fromEntries(fields.map((name, at) => [name, cells[at]]));
        await server.sendMail({
            from: headers.From.render(row),
            to: headers.To.render(row),
            subject: headers.Subject.render(row),
            headers: { "List-Unsubscribe": headers["List-Unsubscribe"].render(row) },
            text: text.render(row),
            html: html.render(row)
        });
    }
}
Promise.all(Array.from({ length: 8 }, session)).then(() => server.close());
