//! A message's header and the recipients in it: what was read is written and read as the same, within the limit, and a
//! field that is added never becomes two.
#![no_main]

use bulkmailer::intake::header::Header;
use bulkmailer::intake::recipients;
use libfuzzer_sys::fuzz_target;

const LIMIT: u64 = 4_096;

fuzz_target!(|bytes: &[u8]| {
    let Ok((mut header, _)) = Header::read(&mut &bytes[..], LIMIT, true) else { return };
    let mut written = Vec::new();
    header.write(&mut written).expect("memory");
    assert!(written.len() as u64 <= LIMIT + 4);
    let (again, rest) = Header::read(&mut &written[..], 2 * LIMIT, false).expect("our own header");
    assert!(rest.first.is_empty());
    let mut twice = Vec::new();
    again.write(&mut twice).expect("memory");
    // A last line without its end gets one, which may change the kind of the ends that are added.
    assert_eq!(twice.trim_ascii_end(), written.trim_ascii_end());
    for name in ["To", "Cc", "Bcc", "From"] {
        for value in header.values(name) {
            for address in recipients::parse(&value).unwrap_or_default() {
                assert_eq!(address.as_str().parse().as_ref(), Ok(&address));
            }
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let lines = |header: &Header| {
        let mut written = Vec::new();
        header.write(&mut written).expect("memory");
        Header::read(&mut &written[..], 10 * LIMIT, false).expect("our own header").0.count("X-Added")
    };
    let before = header.count("X-Added");
    header.prepend("X-Added", &text);
    header.append("X-Added", &text);
    assert_eq!(lines(&header), before + 2);
    header.remove("x-added");
    assert_eq!(lines(&header), 0);
});
