/* What a launch with nothing to do cannot do without. With no argument: to be started. With a configuration file and the
   folders of queues: to be started; to read the file, each folder above it looked at, for it must be nobody else's to change; to
   read the spool's version and which queues it has, and to look whether other users hand mail in; and in each queue to take the
   lock, look whether it is stopped and when it was woken, whether the sink is down, mail is overdue, a job has ended, messages
   of an earlier run wait, and when it was swept; to read what is known of its folders and look at each of them, look at the
   jobs, look again whether somebody has woken it or handed mail in, and let the lock go. */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char bytes[1 << 16];

static int read_all(int dir, const char *path) {
    int file = openat(dir, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 1;
    while (read(file, bytes, sizeof bytes) > 0) continue;
    close(file);
    return 0;
}

/* Opens each folder above a file beneath the one before it, and looks whose it is; then reads the file. */
static int read_trusted(const char *path) {
    char part[256];
    struct stat stat;
    int folder = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (const char *end; (end = strchr(++path, '/')) != NULL; path = end) {
        snprintf(part, sizeof part, "%.*s", (int)(end - path), path);
        int next = openat(folder, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next < 0 || fstat(next, &stat) != 0) return 1;
        close(folder);
        folder = next;
    }
    return read_all(folder, path) || close(folder);
}

/* Which queues a spool has, and its version. */
static int read_spool(const char *queue) {
    char path[512];
    struct stat stat;
    snprintf(path, sizeof path, "%s/..", queue);
    DIR *spool = opendir(path);
    if (spool == NULL || read_all(dirfd(spool), "version") != 0) return 1;
    for (struct dirent *name; (name = readdir(spool)) != NULL;) {
        if (name->d_type != DT_DIR || name->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/wake", name->d_name);
        fstatat(dirfd(spool), path, &stat, AT_SYMLINK_NOFOLLOW);
    }
    return closedir(spool);
}

int main(int count, char **paths) {
    static const char *notes[] = {"../drop", "stopped", "sink", "overdue", "done", "unheard", "unsent", "swept"};
    struct stat stat;
    static long known[256][3];
    unsigned long sum = 0;
    if (count > 2 && (read_trusted(paths[1]) != 0 || read_spool(paths[2]) != 0)) return 1;
    for (int i = 2; i < count; i++) {
        int queue = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int wake = openat(queue, "wake", O_RDONLY | O_CLOEXEC);
        int lock = openat(queue, "lock", O_RDWR | O_CLOEXEC);
        int ready = openat(queue, "ready", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock < 0 || ready < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) return 1;
        if (fstat(wake, &stat) != 0) return 2;
        for (unsigned note = 0; note < sizeof notes / sizeof *notes; note++)
            sum += fstatat(queue, notes[note], &stat, AT_SYMLINK_NOFOLLOW) == 0;
        if (read_all(queue, "quiet") != 0) return 3;
        for (int bucket = 0; bucket < 256; bucket++) {
            char path[] = {"0123456789abcdef"[bucket >> 4], "0123456789abcdef"[bucket & 15], 0};
            if (fstatat(ready, path, &stat, AT_SYMLINK_NOFOLLOW) != 0) return 4;
            sum += known[bucket][0] != stat.st_mtim.tv_nsec || known[bucket][1] != stat.st_ctim.tv_nsec;
        }
        if (fstatat(queue, "jobs", &stat, AT_SYMLINK_NOFOLLOW) != 0 || fstat(wake, &stat) != 0) return 5;
        fstatat(queue, notes[0], &stat, AT_SYMLINK_NOFOLLOW);
        close(ready);
        close(lock);
        close(wake);
        close(queue);
    }
    return sum == 1;
}
