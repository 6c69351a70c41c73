use super::*;
use crate::model::envelope::Origin;
use crate::model::{EntryId, Fields, SinkReply};
use crate::queue::Queue;
use crate::spool::Spool;

#[test]
fn a_reply_in_an_attempts_line_is_nothing_to_a_notice() {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let spool = Spool::create(temp.path()).expect("a spool");
    let queue = &spool.queue("outbound").expect("a queue");
    let id = EntryId::new(Micros(1));
    let recipients = ["a@x.org", "b@x.org"].map(|text| text.parse().expect("an address")).to_vec();
    let origin = Origin { submitted: Micros(1), uid: 7, body: None, notify: None, ret: None, envid: None, verp: None };
    let envelope = Envelope { id: id.clone(), sender: None, recipients, fields: Fields::default(), origin };
    queue.publish(&envelope, Micros(1), &mut |out| out.write_all(b"x\n")).expect("published");
    let spot = queue.locate(&id).expect("read").expect("it is there");
    let Taken::Claim(mut claim) = queue.take(&spot).expect("claimed") else { panic!("it is free") };
    let mut note = |number, verdict| {
        let results = vec![(vec![0], verdict)];
        claim.note(&AttemptNote { number, at: Micros(9), waited: Duration::ZERO, next: None, results }).expect("noted");
        format!("{:?}", claim.statuses(&[0, 1]).expect("read"))
    };
    let before = note(1, Verdict::Deferred(Reason::new("busy")));
    assert_eq!(note(2, Verdict::Delivered(SinkReply::new("250 one"))), before);
}
