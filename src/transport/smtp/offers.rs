//! What a server offers.

use super::reply::Reply;

/// What a server offers in its reply to EHLO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    pub pipelining: bool,
    pub chunking: bool,
    /// The most bytes of a message that it takes, as far as it tells; 0: it sets no limit (RFC 1870 section 4).
    pub size: Option<u64>,
    pub eight_bit: bool,
    pub utf8: bool,
    pub dsn: bool,
    pub starttls: bool,
    pub xverp: bool,
    /// The mechanisms of AUTH.
    pub auth: Vec<String>,
}

impl Offers {
    pub fn read(reply: &Reply) -> Offers {
        let mut offers = Offers::default();
        // The first line is the server's name.
        for line in reply.lines().skip(1) {
            let mut words = line.split_ascii_whitespace();
            match words.next().unwrap_or("").to_ascii_uppercase().as_str() {
                "PIPELINING" => offers.pipelining = true,
                "CHUNKING" => offers.chunking = true,
                "SIZE" => offers.size = Some(words.next().and_then(|most| most.parse().ok()).unwrap_or(0)),
                "8BITMIME" => offers.eight_bit = true,
                "SMTPUTF8" => offers.utf8 = true,
                "DSN" => offers.dsn = true,
                "STARTTLS" => offers.starttls = true,
                "XVERP" => offers.xverp = true,
                "AUTH" => offers.auth.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        offers
    }

    /// The server's limit, if a message of `size` bytes is beyond it.
    pub fn exceeded_by(&self, size: u64) -> Option<u64> {
        self.size.filter(|&most| most > 0 && size > most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_whatever_their_case() {
        let lines = ["mx.example PIPELINING", "pipelining", "SIZE 100", "AUTH PLAIN login", "X-ODD", "chunking", ""];
        let reply = Reply { code: 250, text: lines.join("\n") };
        let auth = vec!["PLAIN".to_owned(), "login".to_owned()];
        let expected = Offers { pipelining: true, size: Some(100), chunking: true, auth, ..Offers::default() };
        assert_eq!(Offers::read(&reply), expected);
        assert_eq!([100, 101].map(|size| expected.exceeded_by(size)), [None, Some(100)]);
        for (line, size) in [("SIZE", 0), ("SIZE 0", 0), ("size many", 0), ("SIZE  7 x", 7)] {
            let offers = Offers::read(&Reply { code: 250, text: format!("mx\n{line}") });
            assert_eq!((offers.size, offers.exceeded_by(u64::MAX)), (Some(size), Some(size).filter(|&most| most > 0)));
        }
    }
}
