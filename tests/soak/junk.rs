//! What a user without manners puts into `drop/`: nothing of it may ever be delivered, or keep other mail waiting.

/// Each is a script of the shell, in which `$D` is the folder and `$N` a number that nobody else has. Each name has "junk"
/// in it, and nothing is good for a moment. What `good` prints would be adopted, if it were a file of its own.
pub const JUNK: &[(&str, &str)] = &[
    ("no drop file", "echo rubbish > $D/outbound.junk$N"),
    ("nothing", ": > $D/outbound.junk$N; : > $D/junk$N; : > $D/outbound.0junk$N@$N"),
    ("many", "for i in 1 2 3 4 5 6 7 8 9; do echo $i > $D/outbound.junk$N.$i; done"),
    ("half an envelope", "good | head -c 60 > $D/outbound.junk$N"),
    ("a message that is cut", "good | head -c $(( $(good | wc -c) - 3 )) > $D/outbound.junk$N"),
    ("a tail", "{ good; echo more; } > ~/junk$N; cp ~/junk$N $D/outbound.junk$N"),
    ("a link", "good > ~/junk$N; ln -s ~/junk$N $D/outbound.junk$N"),
    ("a link to nowhere", "ln -s nowhere $D/outbound.junk$N; ln -s . $D/bounce.junk$N"),
    ("links to what others have", "ln -s /etc/passwd $D/outbound.junk$N; ln -s ../outbound/lock $D/outbound.junk$N.l"),
    ("a FIFO", "mkfifo $D/outbound.junk$N"),
    // It is good when it has two names.
    ("hard links", ": > $D/outbound.junk$N && ln $D/outbound.junk$N $D/outbound.junk$N.2 && good > $D/outbound.junk$N"),
    (
        "sparse",
        "head_of 1048576 > $D/outbound.junk$N; \
      truncate -s $(( $(head_of 1048576 | wc -c) + 1048576 )) $D/outbound.junk$N",
    ),
    ("sparse and large", "head_of 8589934592 > $D/outbound.junk$N; truncate -s 8G $D/outbound.junk$N"),
    ("for no queue", "good > $D/nosuch.junk$N; good > $D/.outbound.junk$N; good > $D/junk$N.outbound"),
    ("for no queue at all", "good > $D/drop.junk$N; good > $D/events.junk$N; good > \"$D/..junk$N\""),
    (
        "odd names",
        "echo x > $D/outbound.\"$(printf 'junk\\n\\033[2J')$N\"; echo x > $D/\"outbound.-rf junk \\$(reboot)$N\"",
    ),
    ("no UTF-8", "good > $D/outbound.\"$(printf 'junk\\377')$N\"; good > $D/\"$(printf '\\377')\"junk$N"),
    ("a long name", "echo x > $D/outbound.junk$N$(printf '%0230d' 0)"),
    ("a folder", "mkdir -p $D/outbound.junk$N/ready/00; good > $D/outbound.junk$N/ready/00/outbound.1"),
    (
        "deep folders",
        "cd $D && mkdir outbound.junk$N && cd outbound.junk$N && for i in $(seq 40); do mkdir d && cd d; done",
    ),
    ("closed", "good > ~/junk$N; echo rubbish > $D/outbound.junk$N; chmod 0 $D/outbound.junk$N"),
    // Its size is never what its envelope says.
    (
        "one that grows and shrinks",
        "{ good; echo more; } > ~/junk$N; cp ~/junk$N $D/outbound.junk$N; s=$(good | wc -c); \
      for i in $(seq 60); do head -c 3000 /dev/zero >> $D/outbound.junk$N; truncate -s $(( s - 9 )) $D/outbound.junk$N; \
      printf '123456789tail' >> $D/outbound.junk$N; done",
    ),
    ("one that comes and goes", "for i in $(seq 60); do echo $i > $D/outbound.junk$N; rm -f $D/outbound.junk$N; done"),
    (
        "one that is renamed",
        "echo x > $D/outbound.junk$N; for i in $(seq 60); do mv $D/outbound.junk$N $D/outbound.junk$N.m; \
      mv $D/outbound.junk$N.m $D/outbound.junk$N; done",
    ),
];

/// A mail that its writer cuts and mends, until it is taken up in one of its good moments or is left.
pub const RESTLESS: &str = "good > $D/outbound.junk$N; s=$(good | wc -c); for i in $(seq 60); do [ -e $D/outbound.junk$N ] || break; \
    truncate -c -s $(( s - 4 )) $D/outbound.junk$N; [ -e $D/outbound.junk$N ] && good | tail -c 4 >> $D/outbound.junk$N; done; :";

/// Removes what its arguments name, so that at no moment anything good is left of it.
pub const REMOVE: &str = "cd $D; for f; do if [ -f \"./$f\" ] && [ ! -L \"./$f\" ]; then \
    chmod 600 \"./$f\" && : > \"./$f\" || continue; fi; rm -rf \"./$f\"; done";

/// What the scripts know: `good` prints a drop file to `$WHOM`, `head_of SIZE` the head of one.
pub const WORDS: &str = "head_of() { printf '{\"size\":%20d,\"v\":1,\"id\":\"a1\",\"sender\":\"s@x.org\",\"recipient\":\"%s\",\
    \"submitted\":1,\"uid\":0}\\n\\n' $1 \"$WHOM\"; }\n\
    message() { printf 'From: s@x.org\\nX-Number: %d\\n\\nEND\\n' $N; }\n\
    good() { head_of $(message | wc -c); message; }\n";
