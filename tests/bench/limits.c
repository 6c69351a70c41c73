/* What the machine itself can do, for the benchmarks to compare with. Called by the name of what is measured:
     sink                                       the cheapest command that takes a message: reads it all, exits 0
     slow_sink                                  the same, and takes 50 ms
     arrival FILE                               the same, and adds the time, in microseconds, as a line to FILE
     spawn_limit WORKERS N file BYTES COMMAND   N starts of COMMAND with a file of BYTES as its input
     fs_limit DIR WORKERS N create|fsync_dir    N files of 4 KiB put into 256 folders: unsynced, or file and folder synced
     remove_limit DIR WORKERS N                 N such files, on disk already, opened, locked, unlinked and closed
     one_rename DIR NAME                        the standard input into a new file of DIR, synced, renamed to NAME, DIR synced
     nothing                                    nothing
     smtp_sink                                  an SMTP server that takes and forgets everything, a process a session; prints
                                                its port of 127.0.0.1, and ends with its standard input
   spawn_limit and fs_limit print "<rate> ..." as their first number. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char buffer[1 << 16];

static void fail(const char *what) { perror(what); _exit(1); }

static double seconds(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec * 1e-9;
}

/* Has `workers` processes do every workers-th of `count` steps, and prints how many were done a second. */
static void share(int workers, int count, void (*step)(int, void *), void *with) {
    int status;
    double start = seconds();
    for (int w = 0; w < workers; w++) {
        if (fork()) continue;
        for (int i = w; i < count; i += workers) step(i, with);
        _exit(0);
    }
    while (wait(&status) > 0) if (status) { fprintf(stderr, "a worker failed\n"); exit(1); }
    printf("%.0f a second\n", count / (seconds() - start));
}

struct spawning { const char *input, *command; };

static void spawn_one(int i, void *with) {
    struct spawning *how = with;
    char *args[] = {(char *)how->command, "-oi", "-f", "s@example.org", "--", "r@example.net", NULL};
    posix_spawn_file_actions_t actions;
    int status, input = open(how->input, O_RDONLY | O_CLOEXEC);
    pid_t pid;
    (void)i;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    if (posix_spawn(&pid, how->command, &actions, NULL, args, environ)) fail(how->command);
    close(input);
    posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &status, 0) < 0 || status) fail("waitpid");
}

struct filling { int tmp, folders[256], sync; };

static void put_one(int i, void *with) {
    struct filling *in = with;
    char name[32];
    int folder = in->folders[(unsigned)i * 40503u >> 4 & 255], file;
    snprintf(name, sizeof name, "%d", i);
    file = openat(in->tmp, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (write(file, buffer, 4096) != 4096) fail("write");
    if (in->sync && fdatasync(file)) fail("fdatasync");
    close(file);
    if (renameat(in->tmp, name, folder, name)) fail("rename");
    if (in->sync && fsync(folder)) fail("fsync");
}

static void remove_one(int i, void *with) {
    int *folder = with;
    char name[32];
    snprintf(name, sizeof name, "%d", i);
    int file = openat(*folder, name, O_RDWR);
    if (flock(file, LOCK_EX | LOCK_NB) || unlinkat(*folder, name, 0) || close(file)) fail("unlink");
}

static int folder(const char *top, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", top, name);
    mkdir(path, 0700);
    return open(path, O_RDONLY | O_DIRECTORY);
}

/* Takes whatever comes, with PIPELINING: the commands that one read brought are answered by one write. */
static void session(int peer) {
    static char replies[1 << 18];
    size_t have = 0, said = sprintf(replies, "220 sink ESMTP\r\n");
    int content = 0, one = 1;
    ssize_t got;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (;;) {
        char *line = buffer, *end;
        if (said && write(peer, replies, said) != (ssize_t)said) return;
        said = 0;
        if ((got = read(peer, buffer + have, sizeof buffer - have)) <= 0) return;
        have += got;
        for (; (end = memchr(line, '\n', buffer + have - line)); line = end + 1) {
            const char *reply = "250 2.0.0 ok\r\n";
            if (content) {
                if (end - line != 2 || line[0] != '.') continue;
                content = 0;
            } else if ((*line & ~32) == 'E') {
                reply = "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
            } else if ((*line & ~32) == 'D') {
                reply = "354 go on\r\n";
                content = 1;
            } else if ((*line & ~32) == 'Q') {
                reply = "221 2.0.0 bye\r\n";
            }
            said += sprintf(replies + said, "%s", reply);
        }
        have = buffer + have - line;
        memmove(buffer, line, have);
        if (have == sizeof buffer) have = 0;
    }
}

static int smtp_sink(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), peer;
    struct pollfd wait[] = {{listener, POLLIN, 0}, {0, POLLIN, 0}};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) fail("bind");
    if (getsockname(listener, (struct sockaddr *)&at, &size)) fail("getsockname");
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    while (poll(wait, 2, -1) > 0 && !wait[1].revents) {
        if ((peer = accept(listener, NULL, NULL)) < 0) continue;
        if (!fork()) {
            close(listener);
            session(peer);
            _exit(0);
        }
        close(peer);
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
    ssize_t got;
    if (!strcmp(name, "sink")) {
        while (read(0, buffer, sizeof buffer) > 0) {}
        return 0;
    }
    if (!strcmp(name, "slow_sink")) {
        struct timespec time = {0, 50000000};
        while (read(0, buffer, sizeof buffer) > 0) {}
        return nanosleep(&time, NULL);
    }
    if (!strcmp(name, "smtp_sink")) return smtp_sink();
    if (!strcmp(name, "arrival") && argc > 1) {
        struct timespec at;
        char line[32];
        int file = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0600), len;
        clock_gettime(CLOCK_MONOTONIC, &at);
        len = snprintf(line, sizeof line, "%lld\n", at.tv_sec * 1000000LL + at.tv_nsec / 1000);
        while (read(0, buffer, sizeof buffer) > 0) {}
        return write(file, line, len) != len;
    }
    if (!strcmp(name, "nothing")) return 0;
    if (!strcmp(name, "one_rename") && argc == 3) {
        char new[32];
        int dir = open(argv[1], O_RDONLY | O_DIRECTORY), file;
        snprintf(new, sizeof new, "new.%d", getpid());
        file = openat(dir, new, O_WRONLY | O_CREAT | O_EXCL, 0600);
        while ((got = read(0, buffer, sizeof buffer)) > 0) if (write(file, buffer, got) != got) fail(new);
        if (fsync(file) || close(file) || renameat(dir, new, dir, argv[2])) fail(argv[2]);
        return fsync(dir);
    }
    if (!strcmp(name, "spawn_limit") && argc == 6) {
        char path[] = "/dev/shm/limits.XXXXXX";
        struct spawning how = {path, argv[5]};
        int file = mkstemp(path);
        if (ftruncate(file, atol(argv[4]))) fail(path);
        share(atoi(argv[1]), atoi(argv[2]), spawn_one, &how);
        return unlink(path);
    }
    if (!strcmp(name, "fs_limit") && argc == 5) {
        struct filling in = {0, {0}, !strcmp(argv[4], "fsync_dir")};
        mkdir(argv[1], 0700);
        in.tmp = folder(argv[1], "tmp");
        for (int i = 0; i < 256; i++) {
            char hex[4];
            snprintf(hex, sizeof hex, "%02x", i);
            in.folders[i] = folder(argv[1], hex);
        }
        share(atoi(argv[2]), atoi(argv[3]), put_one, &in);
        return 0;
    }
    if (!strcmp(name, "remove_limit") && argc == 4) {
        int dir = folder(argv[1], ".");
        for (int i = 0; i < atoi(argv[3]); i++) {
            char file[32];
            snprintf(file, sizeof file, "%d", i);
            int fd = openat(dir, file, O_WRONLY | O_CREAT, 0600);
            if (write(fd, buffer, 4096) != 4096 || close(fd)) fail("write");
        }
        if (syncfs(dir)) fail("syncfs");
        share(atoi(argv[2]), atoi(argv[3]), remove_one, &dir);
        return 0;
    }
    fprintf(stderr, "%s: see the head of limits.c\n", name);
    return 64;
}
