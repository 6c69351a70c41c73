use std::io::Write;
use crate::model::*;
pub fn main() -> std::process::ExitCode {
    let args: Vec<String> = std::env::args().collect();
    crate::sys::process::private_umask();
    let site = crate::config::Site::resolve(None, None).unwrap();
    let r = match args.get(1).map(String::as_str) {
        Some("fill") => {
            let n: usize = args[2].parse().unwrap();
            let spool = crate::spool::Spool::create(&site.spool).unwrap();
            let q = spool.queue("outbound").unwrap();
            let body = vec![b'x'; 4096];
            let mut batch = None;
            for i in 0..n {
                let now = crate::sys::clock::now();
                let mut env = Envelope { id: EntryId::new(now), sender: "a@b.c".parse().ok(), recipients: vec![format!("r{i}@d.e").parse().unwrap()],
                    origin: crate::model::envelope::Origin { submitted: now, uid: 0, body: None, notify: None, ret: None, envid: None } };
                if args.get(3).is_some() {
                    let b = batch.get_or_insert_with(|| q.batch().unwrap());
                    env.id = b.next_id();
                    let mut d = b.draft(&env, now).unwrap();
                    d.write_all(&body).unwrap(); d.finish().unwrap();
                    if b.is_full() { batch.take().unwrap().commit().unwrap(); }
                } else {
                let mut d = q.draft(&env).unwrap();
                d.write_all(&body).unwrap();
                d.publish(now).unwrap(); }
            }
            if let Some(b) = batch { b.commit().unwrap(); }
            Ok(Exit::Ok)
        }
        Some("run") => crate::runner::run(&site, &crate::runner::Args { json: true, workers: args.get(2).map(|n| crate::runner::Workers::Number(n.parse().unwrap())), verbose: true, ..Default::default() }),
        Some("check") => { let spool = crate::spool::Spool::create(&site.spool).unwrap(); println!("{:?}", spool.queue("outbound").unwrap().check(args.get(2).is_some())); Ok(Exit::Ok) }
        _ => Ok(Exit::Usage),
    };
    match r { Ok(e) => e.code().into(), Err(e) => { eprintln!("bulkmailer: {e:#}"); 70.into() } }
}
