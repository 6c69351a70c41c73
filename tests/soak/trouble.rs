//! What happens to a host, and how often.

use std::io::Write;

use crate::Lane;
use crate::actions::{Action, PERSON};
use crate::support;

pub const TROUBLE: &[Action] = &[
    ("weathers", 6, |lane| lane.weather()),
    ("clock jumps", 3, |lane| lane.jump()),
    ("full disks", 2, |lane| lane.fill()),
    ("stops", 2, |lane| lane.stop()),
    ("offline times", 2, |lane| lane.offline()),
    ("quiet times", 4, |lane| lane.quiet()),
];

const HOUR: i64 = 3_600;
const JUMPS: [i64; 6] = [0, 0, HOUR, -HOUR, 365 * 24 * HOUR, -365 * 24 * HOUR];

impl Lane<'_> {
    fn weather(&mut self) {
        let word = *self.random.of(self.soak.sink.weathers());
        self.tell(&format!("the sink is {word}"));
        self.soak.weather(word);
        self.random.pause(1_500_000);
    }

    fn jump(&mut self) {
        let seconds = *self.random.of(&JUMPS);
        self.tell(&format!("the clock is {seconds} s ahead"));
        self.soak.clock.set(seconds);
        self.random.pause(1_000_000);
    }

    /// The red button: when it says so, nothing more is handed over.
    fn stop(&mut self) {
        let output = self.done(&["stop", "-Q", "outbound"], &PERSON);
        if output.status.success() {
            // What a killed worker had in hand has its sink still.
            support::wait_until("no sink is left", || self.soak.sink.busy(&self.soak.site) == 0);
            let handed = || self.soak.sink.mark(&self.soak.site);
            let before = handed();
            let waited = self.random.pause(500_000);
            assert_eq!(handed(), before, "it was stopped for {waited} µs");
        }
        support::wait_until("it is started", || self.done(&["start"], &PERSON).status.success());
    }

    /// Takes all space but a little, for a while.
    fn fill(&mut self) {
        if !self.soak.small {
            return self.quiet();
        }
        let _disk = self.soak.neighbours.as_ref().map(|there| there.disk.lock().expect("no panic"));
        let path = self.soak.site.path("disk/ballast");
        let mut file = std::fs::File::create(&path).expect("a file");
        while file.write_all(&[0; 1 << 16]).is_ok() {}
        while file.write_all(&[0; 1 << 12]).is_ok() {}
        let back = self.random.below(24) * 4_096;
        let len = file.metadata().expect("it is open").len();
        file.set_len(len.saturating_sub(back)).expect("shorter");
        self.tell(&format!("the disk is full but for {back} bytes"));
        self.random.pause(1_000_000);
        // A process that is just being started may have it open, too.
        file.set_len(0).expect("shorter");
        std::fs::remove_file(&path).expect("removed");
        self.tell("the disk has room again");
    }

    fn offline(&mut self) {
        self.soak.online(false);
        self.tell("the host is offline");
        self.random.pause(1_000_000);
        self.soak.online(true);
        self.tell("the host is online");
    }

    fn quiet(&mut self) {
        self.soak.weather("fine");
        self.tell("the sink is fine");
        self.random.pause(1_000_000);
    }
}
