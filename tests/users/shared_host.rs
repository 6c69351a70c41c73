//! A host with other users, from its first minute and with its folders spoilt: who is refused is told so and what root has
//! to type, and what is accepted leaves with root's next run. Each is played in a view of /etc, /var/spool and /var/lib of
//! our own.

use std::process::Command;

use crate::support::hosts;

/// What each scene begins with: `mara` and root hand mail in, commands are typed as they were said, mail is counted.
const STAGE: &str = r#"
for at in /etc /var/spool /var/lib /mnt; do mount -t tmpfs -o mode=755 tmpfs $at || exit 99; done
printf 'root:x:0:0::/root:/bin/sh\nmara:x:7001:7001::/mnt/home:/bin/sh\n' > /etc/passwd
mkdir /mnt/home; chown 7001:7001 /mnt/home
cp "$0" /mnt/bulkmailer; ln -s bulkmailer /mnt/sendmail
unset XDG_STATE_HOME XDG_CONFIG_HOME BULKMAILER_SPOOL BULKMAILER_CONFIG
export HOME=/nonexistent PATH=/mnt:/usr/bin:/bin:/usr/sbin:/sbin
spool=/var/spool/bulkmailer
service() { echo 'bulkmailer:x:7650:7651::/:/bin/sh' >> /etc/passwd; }
configure() { printf '[limits]\nmin_free = 0\n[queue.outbound]\ntransport = "maildir"\n' > /etc/bulkmailer.toml; }
fail() { echo "FAILED: $*"; cat /mnt/out /mnt/err; ls -laR /var/spool | head -50; exit 1; }
mara() { setpriv --reuid=7001 --regid=7001 --clear-groups env HOME=/mnt/home "$@"; }
message() { printf 'To: r@x.org\n\nx\n'; }
# expect STATUS COMMAND...: the command, with a message, its words kept.
expect() {
    want=$1; shift
    message | "$@" > /mnt/out 2> /mnt/err; got=$?
    [ $got = $want ] || fail "$* ended with $got, not $want"
}
# All that was said is one line, and its commands are typed as they stand there.
type_it() {
    [ "$(wc -l < /mnt/err)" = 1 ] || fail "no single line"
    grep -o "'[^']*'" /mnt/err | tr -d "'" > /mnt/commands
    [ -s /mnt/commands ] || fail "no command in it"
    while read -r line; do sh -ec "$line" < /dev/null > /mnt/out 2>&1 || fail "typing $line"; done < /mnt/commands
}
# By every way in; and nothing is left behind.
refused() {
    before=$(find /mnt/home /var/spool | sort)
    expect $1 mara sendmail -t
    printf 'To: r@x.org\n\nx\n' > /mnt/mbox.one; { echo 'From a@x.org Thu Jan  1 00:00:00 1970'; cat /mnt/mbox.one; } > /mnt/mbox
    chmod 644 /mnt/mbox
    expect $1 mara bulkmailer submit --mbox /mnt/mbox
    printf 'HELO x\r\nMAIL FROM:<a@x.org>\r\nQUIT\r\n' | mara bulkmailer submit --serve 2> /dev/null > /mnt/out
    grep -q '^45[12] 4.3.[01] /var/spool/bulkmailer' /mnt/out || fail "no answer for now"
    expect $1 mara bulkmailer submit r@x.org
    [ "$before" = "$(find /mnt/home /var/spool | sort)" ] || fail "something was left behind"
    [ -e /mnt/home/.local ] && fail "a private spool"
    :
}
accepted() { expect 0 mara bulkmailer submit -q r@x.org; }
delivered() {
    expect 0 bulkmailer run
    new=$(ls /var/lib/bulkmailer/Maildir/new | wc -l)
    [ "$new" = $1 ] || fail "$new are delivered, not $1"
    expect 0 bulkmailer check
}
mode_is() { [ "$(stat -c %a $1)" = $2 ] || fail "$1 has mode $(stat -c %a $1)"; }
owner_is() { [ "$(stat -c %u:%g $1)" = $2 ] || fail "$1 is $(stat -c %u:%g $1)'s"; }
"#;

/// Plays a scene, for root's spool and for one of a user of the service's.
#[track_caller]
fn play(scene: &str) {
    if !hosts::is_root() {
        eprintln!("skipped: only root can act as several users");
        return;
    }
    for service in ["id=0:0", "service; id=7650:7651"] {
        let mut shell = Command::new("unshare");
        shell.args(["-m", "sh", "-c", &format!("{STAGE}\nconfigure; {service}\n{scene}")]);
        let output = shell.arg(env!("CARGO_BIN_EXE_bulkmailer")).output().expect("unshare");
        if output.status.code() == Some(99) {
            eprintln!("skipped: no mounts of our own here");
            return;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{service}: {}\n{said}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_user_comes_before_root_ever_did() {
    play(
        "refused 75; grep -q 'not made yet' /mnt/err || fail text; type_it
        mode_is $spool 711; mode_is $spool/drop 3733; owner_is $spool $id; owner_is $spool/drop $id
        expect 77 mara bulkmailer run; grep -q 'root types it' /mnt/err || fail run
        expect 77 mara bulkmailer flush; [ $(wc -l < /mnt/err) = 1 ] || fail flush
        accepted; delivered 1",
    );
}

#[test]
fn roots_cron_comes_first() {
    play(
        "rm /etc/bulkmailer.toml; mkdir /mnt/home/x
        expect 0 mara bulkmailer config show; grep -q 'your own, because there is no' /mnt/out || fail why
        configure; expect 1 bulkmailer check; grep -q 'check --repair' /mnt/out || fail hint
        [ -e $spool ] && fail 'check made it'
        expect 0 bulkmailer run; mode_is $spool/drop 3733; owner_is $spool/drop $id
        accepted; expect 0 mara bulkmailer config show; grep -q \"the host's, because there is\" /mnt/out || fail why
        expect 0 bulkmailer submit -q r@x.org; delivered 2
        owner_is /var/lib/bulkmailer/Maildir/new $id; mode_is /var/lib/bulkmailer 700",
    );
}

#[test]
fn a_drop_folder_that_is_gone_is_made_again() {
    play("expect 0 bulkmailer run; rmdir $spool/drop
        refused 75; expect 1 bulkmailer check; expect 78 bulkmailer config check
        refused 75; type_it; owner_is $spool/drop $id; accepted; delivered 1
        for maker in 'bulkmailer run' 'bulkmailer submit -q r@x.org'; do
            rmdir $spool/drop; mkdir $spool/.drop.new; chown $id $spool/.drop.new; expect 0 $maker; mode_is $spool/drop 3733; accepted; expect 0 bulkmailer run
        done
        delivered 4
        [ -e $spool/.drop.new ] && fail staging; :");
}

#[test]
fn modes_that_are_wrong_are_named_and_mended() {
    play(
        "expect 0 bulkmailer run; n=0
        for mode in 00777 00700 01733 02733; do
            for mender in type_it repair; do
                chmod u=,g=,o=,-t $spool/drop; chmod $mode $spool/drop; [ $mode = 02733 ] || chmod g-s $spool/drop
                refused 77; grep -q 'need 3733' /mnt/err || fail text
                expect 1 bulkmailer check
                expect 0 bulkmailer run; grep -q 'mail of other users is refused' /mnt/err || fail 'not said'
                expect 0 bulkmailer run; [ -s /mnt/err ] && fail 'said twice'
                refused 77
                if [ $mender = repair ]; then expect 0 bulkmailer check --repair; else type_it; fi
                mode_is $spool/drop 3733; accepted; n=$((n + 1)); delivered $n
            done
        done
        chmod 700 $spool; refused 77; type_it; accepted; delivered $((n + 1))
        chmod 700 $spool; expect 0 bulkmailer check --repair; accepted; delivered $((n + 2))",
    );
}

#[test]
fn owners_that_are_wrong_are_named() {
    play("expect 0 bulkmailer run; accepted; delivered 1; accepted
        chown 7002:7002 $spool/drop; refused 77; type_it; owner_is $spool/drop $id; accepted; delivered 3
        chgrp 7002 $spool/drop; chmod 3733 $spool/drop; refused 77; type_it; chmod 3733 $spool/drop; accepted; delivered 4
        chown 7002 $spool; refused 77; expect 77 bulkmailer list; expect 77 bulkmailer run
        type_it; owner_is $spool $id; accepted; delivered 5");
}

#[test]
fn a_file_in_its_place_is_moved_away() {
    play("expect 0 bulkmailer run; rmdir $spool/drop; echo x > $spool/drop
        expect 1 bulkmailer check; expect 77 bulkmailer run; [ $(wc -l < /mnt/err) = 1 ] || fail lines
        refused 77; type_it; owner_is $spool/drop $id; accepted; delivered 1; grep -q x $spool/drop.old || fail 'the file is gone'");
}

#[test]
fn any_number_of_makers_make_one() {
    play(
        "for n in 1 2 3 4 5 6 7 8 9 10; do
            message | bulkmailer submit -q r@x.org 2>> /mnt/err &
            bulkmailer run 2>> /mnt/err &
        done
        wait; [ -s /mnt/err ] && fail words
        [ \"$(ls -A /var/spool)\" = bulkmailer ] || fail 'staging is left'
        mode_is $spool 711; mode_is $spool/drop 3733; owner_is $spool $id; owner_is $spool/drop $id
        accepted; delivered 11",
    );
}

#[cfg(feature = "faults")]
#[test]
fn a_maker_that_is_killed_leaves_nothing_or_all() {
    play(
        "for point in host.made host.drop host.filled host.placed; do
            rm -rf $spool /var/lib/bulkmailer
            BULKMAILER_FAULT=$point bulkmailer run > /dev/null 2>&1
            [ ! -e $spool ] || mode_is $spool/drop 3733
            [ -e $spool ] || refused 75
            expect 0 bulkmailer run; owner_is $spool $id; owner_is $spool/drop $id; mode_is $spool/drop 3733
            accepted; delivered 1
        done
        rmdir $spool/drop; BULKMAILER_FAULT=host.new_drop bulkmailer run > /dev/null 2>&1
        refused 75; type_it; accepted; delivered 2",
    );
}

#[test]
fn root_makes_nothing_where_others_may_write() {
    play("chmod 1777 /var/spool; expect 74 bulkmailer run; grep -q 'chmod go-w' /mnt/err || fail text; [ -e $spool ] && fail made
        chmod 755 /var/spool; ln -s /etc /var/spool/.bulkmailer.new; expect 74 bulkmailer run
        [ -e /etc/drop ] && fail 'through a link'; rm /var/spool/.bulkmailer.new; accepted_later=1
        expect 0 bulkmailer run; accepted; delivered 1");
}

/// The service's own cron job on a host where root never ran: its Maildir has no place, and the line says what makes it.
#[test]
fn a_maildir_without_a_place_says_what_root_types() {
    play(
        "[ $id = 0:0 ] && exit 0
        install -d -o 7650 -g 7651 -m 711 $spool; install -d -o 7650 -g 7651 -m 3733 $spool/drop; accepted
        expect 75 setpriv --reuid=7650 --regid=7651 --clear-groups bulkmailer run
        grep -q 'install -d' /mnt/err || fail text; sed -i 's/ (os error [0-9]*)//' /mnt/err; type_it
        expect 0 setpriv --reuid=7650 --regid=7651 --clear-groups bulkmailer run
        delivered 1",
    );
}

/// What is said on a terminal alone, played through script(1).
#[test]
fn on_a_terminal_a_private_spool_is_told_of_once() {
    play(
        r#"rm /etc/bulkmailer.toml; [ -x /usr/bin/script ] || exit 0
        on_tty() { message > /mnt/in; chmod 644 /mnt/in
            mara script -qec "bulkmailer $1 < /mnt/in" /dev/null < /dev/null > /mnt/out 2>&1; }
        on_tty 'submit r@x.org'; grep -q "nothing runs this spool yet.*'bulkmailer run'.*mnt/bulkmailer run" /mnt/out || fail once
        on_tty 'submit r@x.org'; grep -q 'nothing runs' /mnt/out && fail twice
        on_tty 'submit -q r@x.org'; [ -s /mnt/out ] && fail quiet
        rm /mnt/home/.local/state/bulkmailer/spool/.unrun
        accepted; [ -s /mnt/err ] && fail 'no terminal'
        configure; expect 0 bulkmailer run; chmod 644 /etc/bulkmailer.toml
        on_tty 'submit r@x.org'; grep -q "'bulkmailer --spool /mnt/home/.local/state/bulkmailer/spool run'" /mnt/out || fail left
        accepted; [ -s /mnt/err ] && fail 'no terminal'
        expect 0 mara bulkmailer --spool /mnt/home/.local/state/bulkmailer/spool run --queue outbound
        :"#,
    );
}
