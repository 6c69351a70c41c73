//! Work that several threads share, and whose results come out in the order of the work.
//!
//! Kept true: at most `AHEAD` items are under way, and of each at most `PIECES` results wait, whatever their number is. A
//! process that may have no thread, or has one item only, does all of it by itself. A command that forks uses none of this.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, scope};

use super::mutex::locked;

/// More threads do not help on the machines that this was measured on, and disturb more on larger ones.
const THREADS: usize = 2;
const AHEAD: usize = 8;
const PIECES: usize = 2;
/// Bytes of a thread's stack.
const STACK: usize = 512 << 10;

/// Takes a result; `false` if no more are wanted.
pub type Out<'o, P> = &'o mut dyn FnMut(P) -> bool;

/// Has each of `items` done by one of several workers, which `worker` makes, a thread each, and shows their results to `each`
/// in the order of the items, until it returns `false`. Returns whether all were shown.
///
/// Errors: that of the first item or of `each`.
pub fn in_order<T: Send, P: Send, E, W: FnMut(T, Out<'_, P>)>(
    mut items: impl Iterator<Item = Result<T, E>>,
    worker: impl Fn() -> W + Sync,
    each: &mut dyn FnMut(P) -> Result<bool, E>,
) -> Result<bool, E> {
    let Some(first) = items.next().transpose()? else { return Ok(true) };
    let Some(second) = items.next() else { return one_by_one([Ok(first)].into_iter(), worker(), each) };
    let items = [Ok(first), second].into_iter().chain(items);
    let (send, receive) = sync_channel::<(T, SyncSender<P>)>(AHEAD);
    let receive = Mutex::new(receive);
    scope(|scope| {
        let work = || {
            let mut worker = worker();
            while let Some((item, out)) = next(&receive) {
                worker(item, &mut |piece| out.send(piece).is_ok());
            }
        };
        let started =
            (0..THREADS).filter(|_| Builder::new().stack_size(STACK).spawn_scoped(scope, work).is_ok()).count();
        if started == 0 { one_by_one(items, worker(), each) } else { shared(items, send, each) }
    })
}

fn next<T>(receive: &Mutex<Receiver<T>>) -> Option<T> {
    locked(receive).recv().ok()
}

/// The same as [`in_order`] without a thread: an item is taken when the results of the one before it were shown.
pub fn one_by_one<T, P, E>(
    items: impl Iterator<Item = Result<T, E>>,
    mut worker: impl FnMut(T, Out<'_, P>),
    each: &mut dyn FnMut(P) -> Result<bool, E>,
) -> Result<bool, E> {
    for item in items {
        let mut going = Ok(true);
        worker(item?, &mut |piece| {
            if matches!(going, Ok(true)) {
                going = each(piece);
            }
            matches!(going, Ok(true))
        });
        if !going? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Hands the items out by `send`. The workers end when it and what waits for them has gone.
fn shared<T, P, E>(
    mut items: impl Iterator<Item = Result<T, E>>,
    send: SyncSender<(T, SyncSender<P>)>,
    each: &mut dyn FnMut(P) -> Result<bool, E>,
) -> Result<bool, E> {
    let mut waiting: VecDeque<Receiver<P>> = VecDeque::new();
    let mut end = None;
    loop {
        while end.is_none() && waiting.len() < AHEAD {
            match items.next() {
                Some(Ok(item)) => {
                    let (out, results) = sync_channel(PIECES);
                    if send.send((item, out)).is_ok() {
                        waiting.push_back(results);
                    }
                }
                Some(Err(error)) => end = Some(Err(error)),
                None => end = Some(Ok(true)),
            }
        }
        match waiting.pop_front() {
            Some(results) => {
                for piece in results {
                    if !each(piece)? {
                        return Ok(false);
                    }
                }
            }
            None => return end.unwrap_or(Ok(true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn squares(count: u32, most: usize) -> (Result<bool, String>, Vec<u32>) {
        let mut seen = Vec::new();
        let items = (0..count).map(|n| if n == 700 { Err("700".to_owned()) } else { Ok(n) });
        let worker = || {
            |n: u32, out: Out<'_, u32>| {
                let _ = (0..n % 5).all(|m| out(n * 10 + m));
            }
        };
        let whole = in_order(items, worker, &mut |piece| {
            seen.push(piece);
            Ok(seen.len() < most)
        });
        (whole, seen)
    }

    #[test]
    fn results_come_in_the_order_of_the_work() {
        let expected = |count: u32| (0..count).flat_map(|n| (0..n % 5).map(move |m| n * 10 + m)).collect::<Vec<u32>>();
        for count in [0, 1, 2, 3, 600] {
            assert_eq!(squares(count, usize::MAX), (Ok(true), expected(count)));
        }
        assert_eq!(squares(700, 3), (Ok(false), expected(4)[..3].to_vec()));
        assert_eq!(squares(1_000, usize::MAX), (Err("700".to_owned()), expected(700)));
    }
}
