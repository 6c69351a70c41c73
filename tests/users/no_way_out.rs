//! A host whose sendmail command is bulkmailer itself, with no transport configured: mail is accepted and waits, a run says
//! so and ends with 78, and once a transport is configured all of it leaves.

use std::process::Command;

use crate::support::hosts::{Plain, is_root};

/// `$0` is the program, `$1` a plain user's home; a user of number 65534 is that user. Each check ends with a number of its
/// own.
const SCRIPT: &str = r#"
for folder in /usr/sbin /usr/lib; do
    mount -t tmpfs tmpfs /mnt && mkdir -m 755 /mnt/upper /mnt/work || exit 99
    mount -t overlay -o lowerdir=$folder,upperdir=/mnt/upper,workdir=/mnt/work overlay $folder || exit 99
    rm -f $folder/sendmail || exit 99
done
for folder in /etc /var/spool /var/lib; do mount -t tmpfs -o mode=755 tmpfs $folder || exit 99; done
printf 'root:x:0:0::/root:/bin/sh\n' >/etc/passwd
ln -s "$0" /usr/sbin/sendmail || exit 99
bm=$0 home=$1 out=$1/out
cd /
mail() { printf 'Subject: x\n\nx\n'; }
# expect STATUS COMMAND...: and what it prints is in $text.
expect() {
    status=$1; shift
    text=$("$@" 2>&1)
    [ $? = "$status" ] && return
    echo "$* did not end with $status: $text" >&2
    exit 1
}
has() { case $text in *"$1"*) ;; *) echo "no '$1' in: $text" >&2; exit 2 ;; esac; }
silent() { [ -z "$text" ] || { echo "this was said: $text" >&2; exit 3; }; }
one_line() { [ "$(printf '%s\n' "$text" | wc -l)" = 1 ] || { echo "no single line: $text" >&2; exit 4; }; }

# way SPOOL CONFIG COMMAND...: the whole of it, by somebody.
way() {
    spool=$1 config=$2; shift 2
    mail | "$@" submit -q r@example.net || exit 10
    mail | "$@" sendmail s@example.net || exit 11
    mail | "$@" submit -q -Q inbound r@example.net || exit 12
    expect 78 "$@" run; one_line; has 'outbound: mail waits and is not sent: /usr/sbin/sendmail is bulkmailer itself'
    [ -e "$spool/outbound/unsent" ] || exit 13
    expect 78 "$@" run; silent
    expect 78 "$@" run -Q outbound; silent
    expect 0 "$@" run -Q inbound; silent
    expect 78 "$@" run --json; has '"no_way_out":'; has '"status":78'
    expect 78 "$@" flush -q; one_line; has '[transport.sendmail]'
    expect 1 "$@" status; has 'its mail is not sent: /usr/sbin/sendmail'; has 'outbound   2 due'; has 'inbound    0 due'
    expect 0 "$@" list; has '-- mail in outbound is not sent'
    expect 0 "$@" list --json; has '"attempts":0'
    expect 0 "$@" check
    expect 78 "$@" config check; has 'queue.outbound.transport: /usr/sbin/sendmail is bulkmailer itself'
    expect 0 "$@" config show; has '# no way out: outbound: '
    # A day later it is said again.
    printf '1000000\n' >"$spool/outbound/unsent"
    expect 78 "$@" run; one_line
    mkdir -p "${config%/*}"
    printf '[transport.sendmail]\nkind = "pipe"\ncommand = ["%s/mta", "{recipients}"]\n' "$home" >"$config"
    expect 0 "$@" config check
    expect 0 "$@" run; silent
    [ ! -e "$spool/outbound/unsent" ] || exit 14
    [ "$(sort "$out" | tr '\n' ' ')" = 'r@example.net s@example.net ' ] || exit 15
    expect 0 "$@" status
    expect 0 "$@" list; [ "$text" = 'The queue is empty.' ] || exit 16
    rm "$out" "$config"
}
printf '#!/bin/sh\nfor a; do echo "$a" >>%s; done\n' "$out" >"$home/mta" && chmod 755 "$home/mta" || exit 99
export HOME=$home
plain() { umask 022; setpriv --reuid=65534 --regid=65534 --clear-groups "$bm" "$@"; }
way "$home/.local/state/bulkmailer/spool" "$home/.config/bulkmailer.toml" plain
way /var/spool/bulkmailer /etc/bulkmailer.toml "$bm"
"#;

#[test]
fn mail_waits_where_sendmail_is_bulkmailer_itself_until_there_is_a_transport() {
    if !is_root() {
        eprintln!("skipped: needs root, for mounts and other users");
        return;
    }
    let plain = Plain::new();
    let mut shell = Command::new("unshare");
    shell.args(["-m", "sh", "-c", SCRIPT]).arg(plain.dir.path().join("bulkmailer")).arg(plain.home(""));
    shell.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    let output = shell.output().expect("unshare");
    if output.status.code() == Some(99) {
        eprintln!("skipped: no mounts of our own here");
        return;
    }
    assert!(output.status.success(), "{}\n{output:?}", String::from_utf8_lossy(&output.stderr));
}
