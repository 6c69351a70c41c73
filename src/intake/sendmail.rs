//! The sendmail command's face: the options that Postfix's sendmail(1) takes, each honoured or accepted without harm as
//! there; an unknown one is refused. Its parser is its own: options combine and take values as getopt(3) has it, and it
//! starts for every message.

use std::ffi::OsString;
use std::io::BufReader;

use super::refused::Refused;
use super::submission::Submission;
use super::way_in::WayIn;
use super::{dsn, recipients};
use crate::config::Site;
use crate::model::{Address, Body, Exit};
use crate::sys::output::{Page, print, tell, warning};
use crate::sys::stdio;

/// What the command was asked for.
#[derive(Debug)]
pub enum Invocation {
    /// Take a message.
    Mail(Box<Options>),
    /// `mailq`, `-bp`.
    ListQueue,
    /// `-q`: flush the queue, one entry of it (`-qI`), or what waits for one site (`-qR`).
    Flush { id: Option<String>, site: Option<String> },
    /// `-bs`: SMTP on the standard input and output.
    Serve,
    /// `-bv`: say which addresses could be queued.
    Verify { recipients: Vec<String> },
    /// Nothing is left to do.
    Done(Exit),
}

/// A message's options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    sender: Option<String>,
    full_name: Option<String>,
    recipients: Vec<String>,
    from_header: bool,
    ignore_dots: bool,
    body: Option<Body>,
    notify: Option<String>,
    ret: Option<String>,
    envid: Option<String>,
    verbose: bool,
}

/// Options that have a value, in the same argument or the next (`-q` and `-d` have one in the same argument only).
const WITH_VALUE: &str = "ABCDFLNORVXbefhopr";
/// Options without one.
const PLAIN: &str = "EGIUcimnstvx";

/// How `-b`, `-o`, `-q` and the command's name steer it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Mail,
    List,
    Verify,
    Flush,
    Smtp,
    Aliases,
    Daemon,
    /// `-bh`, `-bH`: the host status of other programs, of which there is none.
    Nothing,
}

/// Reads the arguments of the command called `name` (sendmail, mailq, newaliases), without that name.
pub fn parse(name: &str, args: &[OsString]) -> Result<Invocation, Refused> {
    let mut options = Options::default();
    let mut mode = match name {
        "mailq" => Mode::List,
        "newaliases" => Mode::Aliases,
        _ => Mode::Mail,
    };
    let mut part = String::new();
    let mut args = args.iter().map(text);
    while let Some(arg) = args.next() {
        let arg = arg?;
        if arg == "--" {
            for rest in args.by_ref() {
                options.recipients.push(rest?);
            }
            break;
        }
        let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            options.recipients.push(arg);
            continue;
        };
        let mut letters = letters.chars();
        while let Some(letter) = letters.next() {
            if letter == 'q' || letter == 'd' {
                let value: String = letters.by_ref().collect();
                // With -bd it is the daemon's interval.
                if letter == 'q' && mode != Mode::Daemon {
                    mode = Mode::Flush;
                    part = value;
                }
            } else if WITH_VALUE.contains(letter) {
                let mut value: String = letters.by_ref().collect();
                if value.is_empty() {
                    value = match args.next() {
                        Some(next) => next?,
                        None => return Err(Refused::option(&format!("option -{letter} needs a value"))),
                    };
                }
                set(&mut options, &mut mode, letter, value)?;
            } else if PLAIN.contains(letter) {
                plain(&mut options, &mut mode, letter);
            } else {
                return Err(Refused::option(&format!("unknown option -{letter}")));
            }
        }
    }
    finish(options, mode, &part)
}

/// `part` is what stands behind `-q`.
fn finish(options: Options, mode: Mode, part: &str) -> Result<Invocation, Refused> {
    let takes_none =
        matches!(mode, Mode::List | Mode::Flush | Mode::Smtp | Mode::Aliases | Mode::Daemon | Mode::Nothing);
    if takes_none && !options.recipients.is_empty() {
        // A message that comes with it would be lost without a word.
        return Err(Refused::option("with -q and with -b (but -bm and -bv) it takes no recipients and queues nothing"));
    }
    match mode {
        Mode::List => Ok(Invocation::ListQueue),
        Mode::Flush => match part.as_bytes().first() {
            Some(b'I') => Ok(Invocation::Flush { id: Some(part[1..].to_owned()), site: None }),
            Some(b'R') => Ok(Invocation::Flush { id: None, site: Some(part[1..].to_owned()) }),
            // An interval asks for a daemon, and -qS for a sender's mail: all of it is flushed.
            Some(_) | None => Ok(Invocation::Flush { id: None, site: None }),
        },
        Mode::Smtp => Ok(Invocation::Serve),
        Mode::Verify if options.from_header => Err(Refused::option("-t cannot be used with -bv")),
        Mode::Verify if options.recipients.is_empty() => Err(Refused::NoRecipients),
        Mode::Verify => Ok(Invocation::Verify { recipients: options.recipients }),
        // The MTA behind us has the aliases; for us there is nothing to do.
        Mode::Aliases | Mode::Nothing => Ok(Invocation::Done(Exit::Ok)),
        Mode::Daemon => {
            warning!("there is no daemon to start: cron launches 'bulkmailer run'");
            Ok(Invocation::Done(Exit::Ok))
        }
        Mode::Mail if options.recipients.is_empty() && !options.from_header => Err(Refused::NoRecipients),
        Mode::Mail => Ok(Invocation::Mail(Box::new(options))),
    }
}

fn text(arg: &OsString) -> Result<String, Refused> {
    arg.to_str().map(str::to_owned).ok_or_else(|| Refused::option(&format!("{arg:?} is not UTF-8")))
}

/// An option with a value.
fn set(options: &mut Options, mode: &mut Mode, letter: char, value: String) -> Result<(), Refused> {
    match letter {
        'f' | 'r' => options.sender = Some(value),
        'F' => options.full_name = Some(value),
        'N' => options.notify = Some(dsn::notify(value)?),
        'R' => options.ret = Some(dsn::ret(value)?),
        // Postfix reads two characters as delimiters for VERP; such a message is queued like any other.
        'V' if value.len() == 2 => {}
        'V' => options.envid = Some(dsn::envid(value)?),
        'B' => options.body = body(&value)?,
        'b' => *mode = of_b(&value)?,
        'o' => of_o(options, &value),
        // -A alias file, -C configuration, -D debugging, -L label, -O setting, -X log, -e errors, -h hops, -p protocol: other
        // programs'.
        _ => {}
    }
    Ok(())
}

fn plain(options: &mut Options, mode: &mut Mode, letter: char) {
    match letter {
        'i' => options.ignore_dots = true,
        't' => options.from_header = true,
        'v' => options.verbose = true,
        'I' => *mode = Mode::Aliases,
        // -G gateway, -U user submission, -c, -m, -n, -s, -x: nothing to us.
        _ => {}
    }
}

fn of_b(value: &str) -> Result<Mode, Refused> {
    match value {
        "m" => Ok(Mode::Mail),
        "p" => Ok(Mode::List),
        "v" => Ok(Mode::Verify),
        "i" | "I" => Ok(Mode::Aliases),
        "d" | "l" | "D" => Ok(Mode::Daemon),
        "h" | "H" => Ok(Mode::Nothing),
        "s" => Ok(Mode::Smtp),
        other => Err(Refused::option(&format!("unknown mode -b{other}"))),
    }
}

/// `-oi`, `-o7`, `-o8` mean something; `-oA…`, `-om`, `-od…`, `-oe…` and the like are sendmail's own settings.
fn of_o(options: &mut Options, value: &str) {
    match value {
        "i" => options.ignore_dots = true,
        "7" => options.body = Some(Body::SevenBit),
        "8" => options.body = Some(Body::EightBitMime),
        _ => {}
    }
}

fn body(value: &str) -> Result<Option<Body>, Refused> {
    match value.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(Some(Body::SevenBit)),
        "8BITMIME" => Ok(Some(Body::EightBitMime)),
        _ => Err(Refused::option("-B takes 7BIT or 8BITMIME")),
    }
}

/// Queues the message on the standard input.
pub fn mail(site: &Site, options: &Options) -> anyhow::Result<Exit> {
    let submission = Submission {
        sender: options.sender.as_deref().map(Address::sender).transpose().map_err(Refused::from)?,
        recipients: recipients::addresses(&options.recipients)?,
        from_header: options.from_header,
        full_name: options.full_name.clone(),
        dot: !options.ignore_dots,
        body: options.body,
        notify: options.notify.clone(),
        ret: options.ret.clone(),
        envid: options.envid.clone(),
        ..Submission::default()
    };
    let way = WayIn::open(site, "outbound")?;
    let input = stdio::input();
    let accepted = way.single(submission, &mut BufReader::with_capacity(64 << 10, &*input))?;
    way.kick();
    way.remind();
    if options.verbose {
        tell(&Page::of(format!("queued as {}", accepted.id)));
    }
    // The process ends now, and the kernel closes faster.
    std::mem::forget(way);
    Ok(Exit::Ok)
}

/// Says for each address whether it could be queued. Whether it exists only the MTA knows.
pub fn verify(texts: &[String]) -> anyhow::Result<Exit> {
    for address in recipients::addresses(texts)? {
        print(&Page::of(format!("{address}... queued for the MTA, which decides")))?;
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(args: &str) -> Result<Invocation, Refused> {
        let args: Vec<OsString> = args.split_whitespace().map(|arg| arg.replace('_', "").into()).collect();
        parse("sendmail", &args)
    }

    fn options(args: &str) -> Options {
        match read(args) {
            Ok(Invocation::Mail(options)) => *options,
            other => panic!("{args}: {other:?}"),
        }
    }

    #[test]
    fn options_combine_and_take_values_as_getopt_has_it() {
        let got = options("-ti -oi -f a@b -FMe -N never,_ x@y -- -z@y".replace("never,_", "never").as_str());
        assert!(got.from_header && got.ignore_dots);
        assert_eq!(got.sender.as_deref(), Some("a@b"));
        assert_eq!(got.full_name.as_deref(), Some("Me"));
        assert_eq!(got.notify.as_deref(), Some("never"));
        assert_eq!(got.recipients, ["x@y", "-z@y"]);
        assert_eq!(options("-fa@b x").sender.as_deref(), Some("a@b"));
        assert_eq!(options("-V id5 -R hdrs x").envid.as_deref(), Some("id5"));
        assert_eq!(options("-V += x").envid, None);
    }

    #[test]
    fn what_postfix_takes_is_taken() {
        for args in [
            "-Am x",
            "-Ac x",
            "-B 8BITMIME x",
            "-C file x",
            "-D x y",
            "-e m x",
            "-x x",
            "-d9.1 x",
            "-E x",
            "-G x",
            "-h 9 x",
            "-L label x",
            "-m x",
            "-n x",
            "-o7 x",
            "-oA/a x",
            "-om x",
            "-odb x",
            "-O a=b x",
            "-p esmtp x",
            "-r a@b x",
            "-s x",
            "-U x",
            "-v x",
            "-X log x",
            "-bm x",
            "-em x",
        ] {
            assert!(matches!(read(args), Ok(Invocation::Mail(_))), "{args}: {:?}", read(args));
        }
        assert!(matches!(read("-bp"), Ok(Invocation::ListQueue)));
        assert!(matches!(read("-q"), Ok(Invocation::Flush { id: None, site: None })));
        assert!(matches!(read("-qIabc"), Ok(Invocation::Flush { id: Some(id), .. }) if id == "abc"));
        assert!(matches!(read("-qRx.org"), Ok(Invocation::Flush { site: Some(site), .. }) if site == "x.org"));
        for args in ["-bi", "-I", "-bh", "-bH", "-bd -q30m", "-q30m -bd"] {
            assert!(matches!(read(args), Ok(Invocation::Done(Exit::Ok))), "{args}");
        }
        assert!(matches!(read("-bv x"), Ok(Invocation::Verify { .. })));
        assert!(matches!(read("-bs -odb -oem"), Ok(Invocation::Serve)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for args in [
            "-Z x",
            "-bq",
            "-f",
            "-N sometimes x",
            "-R all x",
            "-B 9BIT x",
            "",
            "-i",
            "-q x",
            "-bp x",
            "-bs x",
            "-bv -t x",
            "-I x",
        ] {
            let error = read(args).expect_err(args);
            assert_eq!(error.exit(), Exit::Usage, "{args}");
        }
    }

    proptest! {
        #[test]
        fn any_arguments_are_read_or_refused(args in proptest::collection::vec("-?[ -~]{0,6}", 0..6)) {
            let args: Vec<OsString> = args.into_iter().map(OsString::from).collect();
            let _ = parse("sendmail", &args);
        }
    }
}
