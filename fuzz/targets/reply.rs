//! Replies of a server: whatever comes, in whatever pieces, is a reply, no reply, or not all of one yet.
#![no_main]

use bulkmailer::transport::smtp::reply::Reply;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    while let Ok(Some((reply, len))) = Reply::parse(rest) {
        assert!((200..600).contains(&reply.code) && len <= rest.len() && rest[len - 1] == b'\n');
        assert!(reply.lines().next().is_some());
        // Half of it is none yet, and what follows changes nothing.
        assert_eq!(Reply::parse(&rest[..len - 1]), Ok(None));
        assert_eq!(Reply::parse(&rest[..len]), Ok(Some((reply.clone(), len))));
        let reason = reply.reason("it said");
        assert!(reason.text.len() <= 1_000 && !reason.text.contains(char::is_control));
        assert!(reason.status.is_none_or(|status| status.starts_with(&(reply.code / 100).to_string())));
        rest = &rest[len..];
    }
});
