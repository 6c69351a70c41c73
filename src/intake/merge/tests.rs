//! What is left to be sent, as it is queued.

use super::*;
use crate::compose::Sources;
use crate::compose::Template;
use crate::config::Limits;
use crate::intake::merge::source::spec::Spec;
use crate::model::{Cell, Row};
use crate::spool::merge::attachment::FileMark;
use crate::spool::{Spool, SpoolQueue};

const ROWS: &str =
    "email,name,file\na@x.org,A,a.pdf\nbad,B,\ng@x.org,G,\nA@x.org,A2,\na@X.org,A3,\ne@x.org,E,\nf@x.org,F,\n";

/// A queue, with rows that are gathered from a file, and a template.
fn with<T>(work: impl FnOnce(&SpoolQueue, &mut Gathered, &Template) -> T) -> T {
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("x.csv");
    std::fs::write(&path, ROWS).expect("written");
    std::fs::write(temp.path().join("a.pdf"), "PDF").expect("written");
    let queue = Spool::create(&temp.path().join("spool")).and_then(|spool| spool.queue("outbound")).expect("a queue");
    let spec = Spec::parse(&path.display().to_string(), None, None).expect("a source");
    let mut gathered = Gathered::read("x.csv", &mut *spec.open().expect("a file"), &queue).expect("rows");
    let settings = format!("attachment = 'file'\nattachment_folder = '{}'\n", temp.path().display());
    let files = [("headers", "From: a@x.org\nTo: {{ email }}\n"), ("text", "{{ name }}\n"), ("merge.toml", &settings)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let template = Template::compile(&Sources::new(files.into())).expect("a template");
    work(&queue, &mut gathered, &template)
}

fn searches(queue: &SpoolQueue) -> Searches {
    let mut suppressed = queue.listed_search().expect("a search");
    suppressed.list(&"g@x.org".parse().expect("an address")).expect("listed");
    Searches {
        duplicates: queue.duplicate_search().expect("a search"),
        suppressed: Some(suppressed),
        bad_file: None,
        marks: Some(queue.row_spool().expect("a spool")),
    }
}

#[test]
fn what_is_left_is_shown_in_order_as_far_as_the_limit() {
    with(|queue, gathered, template| {
        let columns = gathered.columns.clone();
        let attachments = Attachments::open(template.settings(), &columns, queue).expect("a folder");
        let plan = Plan {
            template,
            columns: &columns,
            attachments: attachments.as_ref(),
            limits: &Limits::default(),
            sender: None,
            verp: None,
            ids: ids().expect("random numbers"),
            now: clock::now(),
        };
        let wishes = Wishes { skip_bad: true, allow_duplicates: false, limit: Some(3) };
        let mut checked =
            check::check(&plan, &gathered.rows, &mut gathered.unread, &wishes, searches(queue)).expect("checked");
        checked.refuse("x.csv").expect("some are left");
        assert_eq!((checked.report.send, checked.report.beyond_limit), (3, 1));
        let mut sent = Vec::new();
        let mut take = |row: &Row, address: Address, note: Option<FileMark>| {
            sent.push((row.number, address.to_string(), note.map(|note| note.bytes)));
            Ok(())
        };
        checked.each(&plan, gathered, &mut take).expect("shown");
        let expected = [(1, "a@x.org", Some(3)), (4, "A@x.org", None), (6, "e@x.org", None)];
        assert_eq!(sent, expected.map(|(row, address, note)| (row, address.to_owned(), note)));

        let strict = Wishes { skip_bad: false, allow_duplicates: true, limit: None };
        let mut checked =
            check::check(&plan, &gathered.rows, &mut gathered.unread, &strict, searches(queue)).expect("checked");
        assert!(matches!(checked.refuse("x.csv"), Err(MergeError::BadRows { bad: 1, rows: 7, .. })));
        assert_eq!((checked.report.send, checked.report.duplicates.count, checked.report.suppressed.count), (5, 1, 1));
        let row = Row { number: 1, cells: vec![Cell::Null, Cell::Null, Cell::Text("a.pdf".into())] };
        let path = attachments.as_ref().expect("a folder").path(&row);
        checked.each(&plan, gathered, &mut |_, _, _| Ok(())).expect("as it was judged");
        // Meanwhile a person is asked.
        std::fs::write(&path, "a larger PDF").expect("written");
        let changed = checked.each(&plan, gathered, &mut |_, _, _| Ok(()));
        assert!(matches!(changed, Err(MergeError::AttachmentChanged { number: 1, .. })));
        std::fs::remove_file(&path).expect("removed");
        let gone = checked.each(&plan, gathered, &mut |_, _, _| Ok(()));
        assert!(matches!(gone, Err(MergeError::AttachmentChanged { number: 1, .. })));
    });
}
