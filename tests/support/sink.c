/* A sendmail for tests: records what it was handed, and misbehaves as told.
   usage: sink [-N, -R, -V with their values] MODE LOG [sendmail options] -- RECIPIENT...
   MODE weather: the mode is what the file LOG.weather says at this moment. In "fine", "foul" and "wait=N" a recipient whose
   name begins with f fails; in "foul" d is deferred, h hangs, k dies. Whom a notice is about goes to LOG.notices, a line
   each notice, and not to LOG.
   One line a hand-over goes to LOG: number, sender, "whole" or "cut", recipients. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char body[4 << 20], line[4 << 20], path[4096], weather[64];

static int is(const char *mode, const char *name) { return strcmp(mode, name) == 0; }
static int value(const char *mode, const char *name, int *n) {
    size_t len = strlen(name);
    if (strncmp(mode, name, len)) return 0;
    *n = atoi(mode + len);
    return 1;
}

/* Whether some recipient begins with this letter. */
static int names(char letter, char **recipient, int count) {
    while (count-- > 0) if ((*recipient++)[0] == letter) return 1;
    return 0;
}

int main(int argc, char **argv) {
    const char *mode, *log, *sender = "", *number = "?";
    char *end;
    size_t got = 0;
    ssize_t k;
    int i, n = 0, mute, first;

    for (; argc > 2 && (is(argv[1], "-N") || is(argv[1], "-R") || is(argv[1], "-V")); argc -= 2) argv += 2;
    mode = argv[1], log = argv[2], first = argc;
    for (i = 3; i < argc; i++) {
        if (is(argv[i], "-f") && i + 1 < argc) sender = argv[++i];
        else if (is(argv[i], "--")) { first = i + 1; break; }
    }
    if (is(mode, "weather")) {
        snprintf(path, sizeof path, "%s.weather", log);
        if ((i = open(path, O_RDONLY | O_CLOEXEC)) < 0 || read(i, weather, sizeof weather - 1) < 0) return 127;
        close(i);
        mode = weather;
        if (names('f', argv + first, argc - first) && (mode[0] == 'f' || mode[0] == 'w')) return 67;
        if (is(mode, "foul")) {
            if (names('d', argv + first, argc - first)) { fprintf(stderr, "450 4.2.1 mailbox busy\n"); return 75; }
            if (names('h', argv + first, argc - first)) { alarm(8); pause(); } /* or for ever, where its worker is killed */
            if (names('k', argv + first, argc - first)) { kill(getpid(), SIGKILL); pause(); }
        }
    }
    if (is(mode, "early")) return 0;                       /* never reads */
    if (is(mode, "never")) { pause(); return 0; }
    if (is(mode, "ignoreterm")) { signal(SIGTERM, SIG_IGN); for (;;) pause(); }
    if (is(mode, "flood")) { memset(body, 'e', sizeof body); for (i = 0; i < 25; i++) if (write(2, body, sizeof body) < 0) break; }
    if (is(mode, "slow")) { char one; while (got < sizeof body && read(0, &one, 1) == 1) { body[got++] = one; if (got % 256 == 0) usleep(1000); } }
    while (got < sizeof body && (k = read(0, body + got, sizeof body - got)) > 0) got += k;
    if (value(mode, "wait=", &n)) usleep(n * 1000);
    if (is(mode, "grandchild") && fork() == 0) { setsid(); alarm(20); pause(); _exit(0); }
    if (value(mode, "signal=", &n)) { kill(getpid(), n); pause(); }
    /* exit=N for all, or by the recipient's digits: r17@... exits 17, and r309@... dies by signal 9. What could be the sink's
       fault comes with a word about the recipient, unless the mode is mute=N, or the recipient's name begins with "mute". */
    n = 0;
    mute = value(mode, "mute=", &n);
    if (!mute && !value(mode, "exit=", &n) && is(mode, "digits") && first < argc) {
        n = atoi(argv[first] + strcspn(argv[first], "0123456789"));
        mute = !strncmp(argv[first], "mute", 4);
    }
    if (n > 300) { kill(getpid(), n - 300); pause(); }
    if (n && n != 126 && n != 127 && n != 65 && n != 67 && n != 68 && n != 100 && !mute) fprintf(stderr, "450 4.2.1 mailbox busy\n");
    if (n) return n;

    if ((end = memmem(body, got, "X-Number: ", 10))) { number = end + 10; end = strchr(number, '\n'); if (end) *end = 0; }
    if (weather[0] && memmem(body, got, "Final-Recipient: ", 17)) {
        snprintf(path, sizeof path, "%s.notices", log);
        n = snprintf(line, sizeof line, "notice <> whole");
        for (end = body; (end = memmem(end, body + got - end, "Final-Recipient: ", 17)); )
            end += 17, n += snprintf(line + n, sizeof line - n, " %.*s", (int)strcspn(strchr(end, ';') + 2, "\r\n"), strchr(end, ';') + 2);
        line[n++] = '\n';
        i = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
        return write(i, line, n) == n ? 0 : 74;
    }
    n = snprintf(line, sizeof line, "%s %s %s", number, *sender ? sender : "<>",
                 got > 4 && !memcmp(body + got - 4, "END\n", 4) ? "whole" : "cut");
    for (i = first; i < argc; i++) n += snprintf(line + n, sizeof line - n, " %s", argv[i]);
    line[n++] = '\n';
    i = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    return write(i, line, n) == n ? 0 : 74;
}
