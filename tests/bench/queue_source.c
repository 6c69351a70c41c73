/* queue_source PORT DIR: hands each file of DIR over to the SMTP server on PORT of 127.0.0.1, in one session with PIPELINING,
   and removes it: what no feeder of a queue can do without, and nothing else. Of each message the file is opened, locked and
   read; its lines get the ends of the wire; one write has it and the envelope of the next; one read has the replies; the file
   is unlinked and closed. Nothing is written down, parsed, counted or tried again. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENVELOPE "MAIL FROM:<s@example.org>\r\nRCPT TO:<r@example.net>\r\nDATA\r\n"

static char text[1 << 16], wire[1 << 18];
static int peer;

static void fail(const char *what) { perror(what); exit(1); }

static void say(const char *bytes, size_t len) {
    if (send(peer, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) fail("send");
}

/* Waits for `wanted` replies; the lines of one count as one. What came besides stays for the next. */
static void await(int wanted) {
    static char replies[4096];
    static size_t have;
    for (;;) {
        char *line = replies, *end;
        ssize_t got;
        for (; wanted > 0 && (end = memchr(line, '\n', replies + have - line)); line = end + 1) {
            if (*line != '2' && *line != '3') { fprintf(stderr, "refused: %.40s\n", line); exit(1); }
            if (line[3] == ' ') wanted--;
        }
        have = replies + have - line;
        memmove(replies, line, have);
        if (wanted == 0) return;
        if ((got = recv(peer, replies + have, sizeof replies - have, 0)) <= 0) fail("recv");
        have += got;
    }
}

static size_t to_wire(const char *from, size_t len) {
    char *out = wire;
    const char *end = from + len;
    while (from < end) {
        const char *line = memchr(from, '\n', end - from);
        size_t size = (line ? line : end) - from;
        if (*from == '.') *out++ = '.';
        memcpy(out, from, size);
        out += size;
        memcpy(out, "\r\n", 2);
        out += 2;
        from += size + 1;
    }
    memcpy(out, ".\r\n", 3);
    return out + 3 - wire;
}

int main(int argc, char **argv) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct dirent **names;
    int one = 1, dir, count;
    if (argc != 3) return 64;
    at.sin_port = htons(atoi(argv[1]));
    peer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(peer, (struct sockaddr *)&at, sizeof at)) fail("connect");
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((dir = open(argv[2], O_RDONLY | O_DIRECTORY)) < 0 || (count = scandir(argv[2], &names, NULL, NULL)) < 0) fail(argv[2]);
    await(1);
    say("EHLO bench\r\n", 12);
    await(1);
    say(ENVELOPE, sizeof ENVELOPE - 1);
    for (int i = 0; i < count; i++) {
        struct stat named, ours;
        int file;
        ssize_t len;
        size_t size;
        if (names[i]->d_name[0] == '.') continue;
        file = openat(dir, names[i]->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (flock(file, LOCK_EX | LOCK_NB) || fstat(file, &ours)) fail(names[i]->d_name);
        if (fstatat(dir, names[i]->d_name, &named, AT_SYMLINK_NOFOLLOW) || named.st_ino != ours.st_ino) continue;
        if ((len = pread(file, text, sizeof text, 0)) < 0) fail("pread");
        await(3);
        size = to_wire(text, len);
        memcpy(wire + size, ENVELOPE, sizeof ENVELOPE - 1);
        say(wire, size + sizeof ENVELOPE - 1);
        await(1);
        if (unlinkat(dir, names[i]->d_name, 0) || close(file)) fail("unlink");
    }
    return 0;
}
