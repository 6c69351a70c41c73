//! A wall clock that jumps while a program runs.

use std::path::PathBuf;
use std::process::Command;

use super::Site;

/// Moves the wall clock of a program by the seconds that the file `SKEW` holds, from the moment that it is there.
const SOURCE: &str = r#"
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <fcntl.h>
    #include <stdlib.h>
    #include <time.h>
    #include <unistd.h>
    int clock_gettime(clockid_t clock, struct timespec *at) {
        static int (*real)(clockid_t, struct timespec *);
        if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(clock, at), file;
        char text[32] = "";
        if (clock == CLOCK_REALTIME && (file = open(getenv("SKEW"), O_RDONLY | O_CLOEXEC)) >= 0) {
            if (read(file, text, sizeof text - 1) > 0) at->tv_sec += atol(text);
            close(file);
        }
        return result;
    }"#;

/// The clock of one site.
pub struct Clock {
    library: PathBuf,
    skew: PathBuf,
}

impl Clock {
    pub fn new(site: &Site) -> Clock {
        let (source, library) = (site.path("skew.c"), site.path("skew.so"));
        std::fs::write(&source, SOURCE).expect("written");
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
        assert!(built.expect("cc, as Rust needs it").success());
        Clock { library, skew: site.path("skew") }
    }

    /// Gives `command` this clock.
    pub fn give(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library).env("SKEW", &self.skew);
    }

    /// From now on it is so many seconds ahead, or behind.
    pub fn set(&self, seconds: i64) {
        let new = self.skew.with_extension(format!("{:?}", std::thread::current().id()));
        std::fs::write(&new, seconds.to_string()).and_then(|()| std::fs::rename(&new, &self.skew)).expect("written");
    }
}
