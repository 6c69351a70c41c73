/* What a launch with nothing to do cannot do without. With no argument: to be started. With a configuration file and the
   folders of queues: to be started, to read the file, and in each queue to take the lock, look whether it is stopped and when it
   was woken, read what is known of its folders and look at each of them, look at the jobs, look again whether somebody has woken
   it, and let the lock go. */

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

int main(int count, char **paths) {
    struct stat stat;
    static long known[256][3];
    unsigned long sum = 0;
    if (count > 1 && read_all(AT_FDCWD, paths[1]) != 0) return 1;
    for (int i = 2; i < count; i++) {
        int queue = open(paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int wake = openat(queue, "wake", O_RDONLY | O_CLOEXEC);
        int lock = openat(queue, "lock", O_RDWR | O_CLOEXEC);
        int ready = openat(queue, "ready", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (lock < 0 || ready < 0 || flock(lock, LOCK_EX | LOCK_NB) != 0) return 1;
        if (fstat(wake, &stat) != 0 || fstatat(queue, "stopped", &stat, AT_SYMLINK_NOFOLLOW) == 0) return 2;
        if (read_all(queue, "quiet") != 0) return 3;
        for (int bucket = 0; bucket < 256; bucket++) {
            char path[] = {"0123456789abcdef"[bucket >> 4], "0123456789abcdef"[bucket & 15], 0};
            if (fstatat(ready, path, &stat, AT_SYMLINK_NOFOLLOW) != 0) return 4;
            sum += known[bucket][0] != stat.st_mtim.tv_nsec || known[bucket][1] != stat.st_ctim.tv_nsec;
        }
        if (fstatat(queue, "jobs", &stat, AT_SYMLINK_NOFOLLOW) != 0 || fstat(wake, &stat) != 0) return 5;
        close(ready);
        close(lock);
        close(wake);
        close(queue);
    }
    return sum == 1;
}
