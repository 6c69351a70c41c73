//! What was written is read: entries through the spool, addresses through everything that prints them.

use std::io::{Read, Write};
use std::process::Command;

use bulkmailer::intake::recipients;
use bulkmailer::model::envelope::{Origin, VERP};
use bulkmailer::model::fields::OneFields;
use bulkmailer::model::{Address, Body, EntryId, Envelope, Fields, Micros};
use bulkmailer::queue::{Claim, Found, Queue, Which};
use bulkmailer::spool::job::{JobFile, JobKind};
use bulkmailer::spool::{Spool, entry};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Addresses of every kind; some are none and are left out.
fn address() -> impl Strategy<Value = Address> {
    let local = prop_oneof![
        "[a-z0-9!#$%&'*+/=?^_`{|}~.-]{1,20}",
        "\"([ !#-\\[\\]-~@<>,]|\\\\[ -~]){0,12}\"",
        "[äöüß日本語a-z]{1,8}",
        "-{1,3}[a-z]{1,4}",
    ];
    let domain = prop_oneof![
        4 => "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{2,6}){0,3}".prop_map(|name| format!("@{name}")),
        1 => "@(exämple|日本)\\.org",
        1 => "@\\[(IPv6:[0-9a-f:]{2,12}|[0-9]{1,3}(\\.[0-9]{1,3}){3})\\]",
        1 => Just(String::new()),
    ];
    (local, domain).prop_filter_map("an address", |(local, domain)| format!("{local}{domain}").parse().ok())
}

/// Any JSON values by any names.
fn fields() -> impl Strategy<Value = OneFields> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000..1_000_000_i32).prop_map(|n| Value::from(f64::from(n) / 64.0)),
        "\\PC{0,20}|[\n\"\\\\\u{0}é😀]{0,6}".prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("[a-z\"é]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map("[a-zA-Z_ \"é]{0,10}", value, 0..5).prop_map(|map| map.into_iter().collect())
}

fn fields_of(recipients: &[(Address, Option<OneFields>)]) -> Fields {
    let mut all = Fields::default();
    for (position, (_, fields)) in recipients.iter().enumerate() {
        all.set(position, fields.clone().unwrap_or_default());
    }
    all
}

fn envelope(most: usize) -> impl Strategy<Value = Envelope> {
    let body = proptest::option::of(prop_oneof![Just(Body::SevenBit), Just(Body::EightBitMime)]);
    let words = (proptest::option::of("(never|(success|failure|delay){1})"), proptest::option::of("full|hdrs"));
    let id = prop_oneof!["[0-9a-z]{1,30}", "[0-9a-z]{21}\\.[0-9]{1,4}\\.[0-9]{1,4}"];
    let times = (0..=Micros::MAX.0, any::<u32>());
    let recipients = proptest::collection::vec(address(), 1..=most);
    let one = (address(), proptest::option::weighted(0.3, fields()));
    let recipients = prop_oneof![
        recipients.prop_map(|all| all.into_iter().map(|address| (address, None)).collect::<Vec<_>>()),
        proptest::collection::vec(one, 1..=most),
    ];
    let parts =
        (id, proptest::option::of(address()), recipients, times, body, words, proptest::option::of("[!-~]{1,100}"));
    parts.prop_map(|(id, sender, recipients, (submitted, uid), body, (notify, ret), envid)| Envelope {
        id: id.parse().expect("an id"),
        sender,
        fields: fields_of(&recipients),
        recipients: recipients.into_iter().map(|(address, _)| address).collect(),
        origin: Origin { submitted: Micros(submitted), uid, body, notify, ret, envid, verp: None },
    })
}

/// Publishes an entry and claims it; its envelope and message as they come back.
fn through_the_spool(envelope: &Envelope, message: &[u8]) -> (Envelope, Vec<u8>) {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = Spool::create(temp.path()).expect("a spool");
    let queue = spool.queue("outbound").expect("a queue");
    let mut draft = queue.draft(envelope).expect("a draft");
    draft.write_all(message).expect("written");
    let _ = draft.publish(Micros(1)).expect("published");
    let queue = &queue;
    let mut cursor = queue.cursor().expect("a pass");
    let found = queue.claim(&mut cursor, Which::Any, Micros(2), &mut |_| true).expect("a pass");
    let Found::Claim(claim) = found else { panic!("{found:?}") };
    let handed = claim.message(&[0], false).expect("a message");
    let mut read = Vec::new();
    (&**handed.file().expect("a file")).read_to_end(&mut read).expect("read");
    assert_eq!(handed.len, read.len() as u64);
    (claim.envelope().clone(), read)
}

proptest! {
    // Each makes a spool, with its syncs.
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_entry_comes_back_as_it_was(
        mut envelope in envelope(30),
        message in proptest::collection::vec(any::<u8>(), 0..5_000),
    ) {
        // An entry of a job lies in its job's folder.
        envelope.id = EntryId::new(Micros(1));
        prop_assert_eq!(through_the_spool(&envelope, &message), (envelope, message));
    }
}

proptest! {
    #[test]
    fn a_head_comes_back_and_no_part_of_it_passes_for_all(envelope in envelope(60), cut in any::<prop::sample::Index>()) {
        let bytes = entry::head(&envelope).expect("JSON");
        let (read, extent) = entry::read(&bytes[..]).expect("our own head");
        prop_assert_eq!((read, extent.start), (envelope, bytes.len() as u64));
        prop_assert!(entry::read(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn an_address_is_itself_again(address in address()) {
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address.clone()));
        let json = serde_json::to_string(&address).expect("JSON");
        prop_assert_eq!(serde_json::from_str::<Address>(&json).expect("our own"), address.clone());
        for text in [address.to_string(), format!("<{address}>"), format!("\"N, N\" <{address}>, (c) ,")] {
            prop_assert_eq!(recipients::parse(&text).expect("an address"), [address.clone()], "{}", text);
        }
    }
}

proptest! {
    #[test]
    fn an_entry_of_a_post_has_its_envelope_alone(envelope in envelope(60), len in 0..=u64::MAX, verp in any::<bool>()) {
        let mut envelope = envelope;
        envelope.origin.verp = verp.then(|| VERP.to_owned());
        let bytes = entry::head_apart(&envelope, len).expect("JSON");
        let (read, extent) = entry::read(&bytes[..]).expect("our own head");
        prop_assert_eq!((read, extent.start, extent.len, extent.apart), (envelope, bytes.len() as u64, len, true));
        prop_assert_eq!(extent.wrong_size(bytes.len() as u64), None);
        prop_assert!(extent.wrong_size(bytes.len() as u64 + 1).is_some());
    }
}

/// The files of a post as they were first written: what is in a spool must be readable by later versions.
#[test]
fn the_files_of_a_post_are_as_they_were() {
    let head = concat!(
        r#"{"size":                 247,"v":1,"id":"1k12979t62hyye1nyrykv.0.1","sender":"list@example.org","#,
        r#""recipients":2,"apart":true,"submitted":1795581116487955,"uid":0,"verp":"{local}+{rlocal}={rdomain}@{domain}"}"#,
        "\n\"q@mail.x.org\"\n\"u@y.org\"\n\n"
    );
    let (envelope, extent) = entry::read(head.as_bytes()).expect("an entry");
    assert_eq!((extent.len, extent.apart, extent.start), (247, true, head.len() as u64));
    assert_eq!(entry::head_apart(&envelope, 247).expect("JSON"), head.as_bytes());
    let sender = envelope.sender_for(1).expect("an address").map(String::from);
    assert_eq!(sender.as_deref(), Some("list+u=y.org@example.org"));
    for (is_post, text) in [
        (false, r#"{"v":1,"kind":"batch","entries":3,"at":5}"#),
        (
            true,
            r#"{"v":1,"kind":"post","entries":2,"at":5,"name":"news","sender":"l@x.org","uid":0,"recipients":5,"per_entry":3,"duplicates":1,"suppressed":0,"bytes":247,"not_before":9}"#,
        ),
    ] {
        let file = JobFile::parse(text).expect("a job");
        assert_eq!(is_post, matches!(file.kind, JobKind::Post(_)));
        assert_eq!(serde_json::to_string(&file).expect("JSON"), text);
    }
}

/// What has no fields is as older programs read it; what has some is another format.
#[test]
fn an_entry_whose_recipients_have_fields_has_a_number_of_its_own() {
    let text = |v: u32, recipients: &str| {
        format!("{{\"size\":{:>20},\"v\":{v},\"id\":\"1k12979t62hyye1nyrykv\",\"sender\":\"\",{recipients}", 3)
    };
    let one = |v, recipient: &str| text(v, &format!("\"recipient\":{recipient},\"submitted\":5,\"uid\":0}}\n\n"));
    let mara = r#"{"address":"m@x.org","fields":{"age":41,"name":"Mara","tags":["a",null]}}"#;
    let several = text(2, &format!("\"recipients\":2,\"submitted\":5,\"uid\":0}}\n\"b@x.org\"\n{mara}\n\n"));
    for (head, fields) in [(one(1, "\"m@x.org\""), None), (one(2, mara), Some(0)), (several, Some(1))] {
        let (envelope, extent) = entry::read(head.as_bytes()).expect("an entry");
        assert_eq!(envelope.fields.is_empty(), fields.is_none());
        if let Some(position) = fields {
            let own = envelope.fields.of(position).expect("he has some").clone();
            assert_eq!(Value::Object(own), json!({"name": "Mara", "age": 41, "tags": ["a", null]}));
        }
        let written = entry::head(&envelope).expect("JSON");
        assert_eq!(written[29..], head.as_bytes()[29..], "{extent:?}");
    }
    let bare = entry::read(one(2, r#"{"address":"m@x.org","more":1}"#).as_bytes()).expect("nobody has to have fields");
    assert!(bare.0.fields.is_empty());
    for old in
        [one(1, mara), text(1, &format!("\"recipients\":2,\"submitted\":5,\"uid\":0}}\n\"b@x.org\"\n{mara}\n\n"))]
    {
        let odd = entry::read(old.as_bytes()).expect_err("format 1 has no fields");
        assert!(matches!(&odd, entry::Unreadable::Damaged(_)), "{odd}");
    }
    let newer = entry::read(one(9, r#"{"new":1}"#).as_bytes()).expect_err("it is newer");
    assert!(matches!(&newer, entry::Unreadable::Newer(_)), "{newer}");
    let odd = entry::read(one(2, r#"{"fields":{}}"#).as_bytes()).expect_err("it has no address");
    assert!(matches!(&odd, entry::Unreadable::Damaged(_)), "{odd}");
}

#[test]
fn a_line_that_nobody_would_read_is_not_written() {
    let with = |bytes: usize, recipients: usize| {
        let mut fields = Fields::default();
        let one: OneFields = [("x".to_owned(), Value::from("é".repeat(bytes / 2)))].into_iter().collect();
        fields.set(0, one);
        let recipients = vec!["a@b.org".parse().expect("an address"); recipients];
        let origin =
            Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
        entry::head(&Envelope { id: EntryId::new(Micros(1)), sender: None, recipients, fields, origin })
    };
    for recipients in [1, 2] {
        let head = with(65_000, recipients).expect("it fits");
        assert!(entry::read(&head[..]).is_ok());
        let why = with(65_600, recipients).expect_err("too long").to_string();
        assert!(why.contains("a@b.org") && why.contains("65536"), "{why}");
    }
}

#[test]
fn a_head_that_nobody_would_read_is_not_written() {
    let origin = Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None };
    let with = |recipients: usize, fields: Fields, origin: &Origin| {
        let recipients = vec!["a@b.org".parse().expect("an address"); recipients];
        let origin = origin.clone();
        entry::head(&Envelope { id: EntryId::new(Micros(1)), sender: None, recipients, fields, origin })
    };
    let fields = |lines: usize| {
        let mut fields = Fields::default();
        let one: OneFields = [("x".to_owned(), Value::from("x".repeat(65_000)))].into_iter().collect();
        (0..lines).for_each(|i| fields.set(i, one.clone()));
        fields
    };
    let most = (64 << 20) / 65_037;
    let head = with(most, fields(most), &origin).expect("it fits");
    assert!(entry::read(&head[..]).is_ok());
    let why = with(most + 1, fields(most + 1), &origin).expect_err("too much").to_string();
    assert!(why.contains("fields of its recipients have more than 67108864 bytes"), "{why}");

    let head = with(1_000_000, Fields::default(), &origin).expect("it fits");
    assert!(entry::read(&head[..]).is_ok());
    let why = with(1_000_001, Fields::default(), &origin).expect_err("too many").to_string();
    assert!(why.contains("1000001 recipients"), "{why}");

    let long = Origin { envid: Some("x".repeat(70_000)), ..origin };
    let why = with(2, Fields::default(), &long).expect_err("too long").to_string();
    assert!(why.starts_with("its envelope makes a line of"), "{why}");
}

#[test]
fn an_entry_with_as_many_recipients_as_the_limits_allow_comes_back() {
    let envelope = Envelope {
        id: EntryId::new(Micros(1)),
        sender: None,
        recipients: (0..100_000).map(|n| format!("\"r {n}\"@example.net").parse().expect("an address")).collect(),
        fields: Fields::default(),
        origin: Origin { submitted: Micros(1), uid: 0, body: None, notify: None, ret: None, envid: None, verp: None },
    };
    let (read, message) = through_the_spool(&envelope, b"To: x@y\n\nbody\n");
    assert!(read == envelope);
    assert_eq!(message, b"To: x@y\n\nbody\n");
}

/// Skipped, with a word, where the file system knows no such attribute.
#[test]
fn what_is_built_in_tmp_is_kept_apart() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let probe = temp.path().join("probe");
    std::fs::create_dir(&probe).expect("a folder");
    let tried = Command::new("chattr").arg("+T").arg(&probe).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        eprintln!("what_is_built_in_tmp_is_kept_apart: skipped, for chattr +T does not work here");
        return;
    }
    let spool = Spool::create(&temp.path().join("spool")).expect("a spool");
    let _ = spool.queue("outbound").expect("a queue");
    let has = |folder: &str| {
        let output = Command::new("lsattr").arg("-d").arg(temp.path().join("spool/outbound").join(folder)).output();
        let text = String::from_utf8(output.expect("lsattr, as chattr is there").stdout).expect("text");
        text.split(' ').next().expect("attributes").contains('T')
    };
    assert!(has("tmp") && !has("ready"));
}
